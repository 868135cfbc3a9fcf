#include "attune/logger.h"

#include <fmt/format.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>

#include <stdexcept>

#include "base/log.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

LogSeverity severity_from(int64_t severity) {
  if (severity < 0 || severity > static_cast<int64_t>(LogSeverity::kFatal)) {
    throw std::runtime_error("Invalid logging severity. 0:Verbose, 1:Info, 2:Warning, 3:Error, 4:Fatal");
  }
  return static_cast<LogSeverity>(severity);
}

void call(PyObject* callback, const LogRecord& record) {
  if (!Py_IsInitialized()) return;
  const nb::gil_scoped_acquire lock;
  try {
    const nb::handle function(callback);
    function(static_cast<int>(record.severity), "attune", record.id, fmt::format("{}:{}", record.file, record.line),
             record.text);
  } catch (nb::python_error& error) {
    // The line comes from the midst of the library, which must go on.
    error.discard_as_unraisable(callback);
  }
}

void set_callback(nb::object callback, int64_t severity) {
  const LogSeverity wanted = severity_from(severity);
  if (callback.is_none()) return set_log_sink({});
  if (PyCallable_Check(callback.ptr()) == 0) {
    throw std::runtime_error("The logging callback must be callable, or None.");
  }
  // Never let go of, as no sink is: another thread may be inside it.
  set_log_sink([held = callback.release().ptr()](const LogRecord& record) { call(held, record); });
  set_default_log_severity(wanted);
}

}  // namespace

void bind_logger(nb::module_& module) {
  module.def("set_default_logger_severity",
             [](int64_t severity) { set_default_log_severity(severity_from(severity)); });
  module.def("set_default_logger_verbosity", &set_default_log_verbosity);
  module.def("set_default_logger_callback", &set_callback, nb::arg("callback").none(), nb::arg("severity") = 2);
}

}  // namespace attune::python
