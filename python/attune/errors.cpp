#include "attune/errors.h"

#include <array>
#include <string>

#include "attune/error.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

// In the order of ErrorCode, from kFail = 1.
constexpr std::array kNames = {"Fail", "InvalidArgument", "NoSuchFile", "NoModel", "EngineError", "RuntimeException",
                               "InvalidProtobuf", "ModelLoaded", "NotImplemented", "InvalidGraph", "EPFail",
                               // Codes that Attune's library does not throw.
                               "ModelLoadCanceled", "ModelRequiresCompilation", "NotFound", "DeviceReset"};

std::array<PyObject*, kNames.size()> exception_types;

}  // namespace

void bind_errors(nb::module_& module) {
  nb::list all;
  for (size_t i = 0; i < kNames.size(); ++i) {
    const std::string full_name = std::string("attune.capi.onnxruntime_pybind11_state.") + kNames[i];
    // Never freed: an exception may be raised for as long as the interpreter lives.
    exception_types[i] = PyErr_NewException(full_name.c_str(), PyExc_Exception, nullptr);
    module.attr(kNames[i]) = nb::borrow(exception_types[i]);
    all.append(nb::borrow(exception_types[i]));
  }
  module.attr("ERRORS") = nb::tuple(all);
  nb::register_exception_translator([](const std::exception_ptr& raised, void*) {
    try {
      std::rethrow_exception(raised);
    } catch (const Error& error) {
      const auto code = static_cast<size_t>(error.code());
      PyErr_SetString(exception_types[code >= 1 && code <= kNames.size() ? code - 1 : 0], error.what());
    }
  });
}

}  // namespace attune::python
