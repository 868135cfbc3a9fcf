// The extension attune._attune: sessions and options as the Python files beside this one wrap them.
#include <nanobind/nanobind.h>
#include <nanobind/stl/map.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/string_view.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "attune/arrays.h"
#include "attune/attune.h"
#include "attune/errors.h"
#include "attune/logger.h"
#include "attune/maps.h"
#include "attune/tensor_class.h"
#include "tune/tuned_options.h"

namespace nb = nanobind;

namespace attune::python {
namespace {

/// Leaves Python's lock to others for as long as it lives.
///
/// Unlike nb::gil_scoped_release it survives the end of the interpreter: Python before 3.14 ends a daemon thread that
/// asks for the lock then by unwinding its stack, which may not leave a destructor. Such a thread waits for the
/// process's end.
class LockReleased {
 public:
  LockReleased() : thread_(PyEval_SaveThread()) {}
  LockReleased(const LockReleased&) = delete;
  LockReleased& operator=(const LockReleased&) = delete;
  ~LockReleased() {
    try {
      PyEval_RestoreThread(thread_);
    } catch (...) {
      for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
    }
  }

 private:
  PyThreadState* thread_;
};

std::unique_ptr<InferenceSession> session_from_bytes(const nb::bytes& model, const SessionOptions& options) {
  const auto span = std::as_bytes(std::span(model.c_str(), model.size()));
  std::shared_ptr<const void> owner = hold(model);
  const LockReleased unlocked;
  return std::make_unique<InferenceSession>(span, std::move(owner), options);
}

std::unique_ptr<InferenceSession> session_from_path(const std::string& path, const SessionOptions& options) {
  const LockReleased unlocked;
  return std::make_unique<InferenceSession>(std::filesystem::path(path), options);
}

/// A flag that one thread sets to end what others do: RunOptions.terminate.
struct Flag {
  std::shared_ptr<std::atomic<bool>> value = std::make_shared<std::atomic<bool>>(false);
};

/// An array for a tensor, a dict for a map.
Tensor element_of_input(const ValueDescription& input, const nb::handle& value, nb::list& keep_alive) {
  if (nb::isinstance<Tensor>(value)) return nb::cast<Tensor>(value);
  if (input.key_type == DataType::kUndefined) return tensor_from_object(value, input.name, keep_alive);
  return map_from_object(value, input.key_type, input.element_type, input.name);
}

/// A list of such elements for a sequence, None for an optional without a value.
Tensor tensor_of_input(const ValueDescription& input, const nb::handle& value, nb::list& keep_alive) {
  if (input.is_optional && value.is_none()) return {};
  if (!input.is_sequence) return element_of_input(input, value, keep_alive);
  if (!nb::isinstance<nb::list>(value) && !nb::isinstance<nb::tuple>(value)) {
    const char* elements = input.key_type == DataType::kUndefined ? "arrays" : "dicts";
    throw Error(ErrorCode::kInvalidArgument,
                "Input '" + input.name + "' is a sequence: it takes a list of " + elements + ".");
  }
  std::vector<Tensor> elements;
  for (const nb::handle element : value) elements.push_back(element_of_input(input, element, keep_alive));
  return Tensor::sequence(std::move(elements));
}

std::vector<NamedTensor> feeds_from(const InferenceSession& session, const nb::dict& feed, nb::list& keep_alive) {
  const std::vector<ValueDescription>& inputs = session.inputs();
  std::vector<NamedTensor> feeds;
  feeds.reserve(feed.size());
  for (const auto& [key, value] : feed) {
    const auto name = nb::cast<std::string>(key);
    if (nb::isinstance<Tensor>(value)) {
      feeds.push_back({name, nb::cast<Tensor>(value)});
    } else {
      const auto input =
          std::find_if(inputs.begin(), inputs.end(), [&](const ValueDescription& i) { return i.name == name; });
      feeds.push_back({name, input == inputs.end() ? tensor_from_object(value, name, keep_alive)
                                                   : tensor_of_input(*input, value, keep_alive)});
    }
  }
  return feeds;
}

nb::list run(InferenceSession& session, const std::optional<std::vector<std::string>>& output_names,
             const nb::dict& feed, const std::optional<RunOptions>& options) {
  nb::list keep_alive;
  const std::vector<NamedTensor> feeds = feeds_from(session, feed, keep_alive);
  std::vector<Tensor> results;
  {
    const LockReleased unlocked;
    results =
        session.run(feeds, output_names ? std::span<const std::string>(*output_names) : std::span<const std::string>{},
                    options.value_or(RunOptions{}));
  }
  nb::list arrays;
  for (const Tensor& result : results) arrays.append(object_from_tensor(result));
  return arrays;
}

std::vector<Tensor> run_into(InferenceSession& session, const nb::dict& feed, const std::vector<std::string>& names,
                             const std::vector<std::optional<Tensor>>& targets,
                             const std::optional<RunOptions>& options) {
  nb::list keep_alive;
  const std::vector<NamedTensor> feeds = feeds_from(session, feed, keep_alive);
  std::vector<NamedTensor> outputs;
  for (size_t i = 0; i < names.size(); ++i) outputs.push_back({names[i], targets.at(i).value_or(Tensor())});
  {
    const LockReleased unlocked;
    session.run_into(feeds, outputs, options.value_or(RunOptions{}));
  }
  std::vector<Tensor> tensors;
  for (NamedTensor& output : outputs) tensors.push_back(std::move(output.tensor));
  return tensors;
}

/// Numbers, names and None as NodeArg.shape gives them.
nb::list shape_list(const ValueDescription& value) {
  nb::list dims;
  for (const Dimension& dim : value.shape) {
    if (const auto* size = std::get_if<int64_t>(&dim)) {
      dims.append(*size);
    } else if (const auto& name = std::get<std::string>(dim); !name.empty()) {
      dims.append(name);
    } else {
      dims.append(nb::none());
    }
  }
  return dims;
}

nb::object option_to_python(const OptionValue& value) {
  return std::visit([](const auto& held) { return nb::cast(held); }, value);
}

nb::list option_table() {
  nb::list table;
  for (const OptionInfo& info : session_option_table()) {
    constexpr std::string_view kTypes[] = {"bool", "int", "str", "enum"};
    nb::dict choices;
    for (const OptionChoice& choice : info.choices) choices[nb::cast(choice.name)] = choice.value;
    nb::dict row;
    row["name"] = info.name;
    row["type"] = kTypes[static_cast<size_t>(info.type)];
    row["group"] = info.group == OptionGroup::kPerformance ? "performance" : "behaviour";
    row["default"] = option_to_python(info.default_value);
    row["least"] = info.least;
    row["most"] = info.most;
    row["choices"] = choices;
    row["help"] = info.help;
    table.append(row);
  }
  return table;
}

void bind_options(nb::module_& module) {
  nb::class_<Flag>(module, "Flag")
      .def(nb::init<>())
      .def_prop_rw(
          "value", [](const Flag& self) { return self.value->load(); },
          [](Flag& self, bool value) { self.value->store(value); });
  nb::class_<SessionOptions>(module, "SessionOptions")
      .def(nb::init<>())
      .def(nb::init<const SessionOptions&>())
      .def("get",
           [](const SessionOptions& self, std::string_view name) { return option_to_python(get_option(self, name)); })
      .def("set_bool", [](SessionOptions& self, std::string_view name, bool value) { set_option(self, name, value); })
      .def("set_int", [](SessionOptions& self, std::string_view name, int64_t value) { set_option(self, name, value); })
      .def("set_str",
           [](SessionOptions& self, std::string_view name, const std::string& value) { set_option(self, name, value); })
      .def_rw("config_entries", &SessionOptions::config_entries)
      .def_rw("free_dimension_overrides", &SessionOptions::free_dimension_overrides)
      .def_rw("free_dimension_overrides_by_denotation", &SessionOptions::free_dimension_overrides_by_denotation)
      .def_rw("initializers", &SessionOptions::initializers)
      .def_rw("external_initializers", &SessionOptions::external_initializers)
      .def_rw("external_files", &SessionOptions::external_files)
      .def("set_cancel", [](SessionOptions& self, const Flag& flag) { self.cancel_load = flag.value; });
  nb::class_<RunOptions>(module, "RunOptions")
      .def(nb::init<>())
      .def_rw("log_severity_level", &RunOptions::log_severity_level)
      .def_rw("log_verbosity_level", &RunOptions::log_verbosity_level)
      .def_rw("run_tag", &RunOptions::run_tag)
      .def_rw("only_execute_path_to_fetches", &RunOptions::only_execute_path_to_fetches)
      .def_rw("config_entries", &RunOptions::config_entries)
      .def("set_terminate", [](RunOptions& self, const Flag& flag) { self.terminate = flag.value; });
  module.def("option_table", &option_table);
  module.def("tuned_options", [](const std::string& file) {
    TunedOptions tuned = read_tuned_options(file);
    return std::pair(std::move(tuned.options), std::move(tuned.warnings));
  });
}

void bind_descriptions(nb::module_& module) {
  nb::class_<ValueDescription>(module, "NodeArg")
      .def_ro("name", &ValueDescription::name)
      .def_ro("type", &ValueDescription::type)
      .def_ro("is_sequence", &ValueDescription::is_sequence)
      .def_prop_ro("shape", &shape_list)
      .def("__repr__", [](const ValueDescription& self) {
        return "NodeArg(name='" + self.name + "', type='" + self.type +
               "', shape=" + nb::cast<std::string>(nb::repr(shape_list(self))) + ")";
      });
  nb::class_<NodeDescription>(module, "NodeDescription")
      .def_ro("name", &NodeDescription::name)
      .def_ro("op_type", &NodeDescription::op_type)
      .def_ro("domain", &NodeDescription::domain);
  nb::class_<ModelDescription>(module, "ModelMetadata")
      .def_ro("producer_name", &ModelDescription::producer_name)
      .def_ro("graph_name", &ModelDescription::graph_name)
      .def_ro("graph_description", &ModelDescription::graph_description)
      .def_ro("domain", &ModelDescription::domain)
      .def_ro("description", &ModelDescription::description)
      .def_ro("version", &ModelDescription::version)
      .def_ro("custom_metadata_map", &ModelDescription::custom);
}

void bind_session(nb::module_& module) {
  nb::class_<InferenceSession>(module, "Session")
      .def("inputs", &InferenceSession::inputs)
      .def("outputs", &InferenceSession::outputs)
      .def("overridable_initializers", &InferenceSession::overridable_initializers)
      .def("model", &InferenceSession::model)
      .def("threads", &InferenceSession::threads)
      .def("run", &run, nb::arg("output_names").none(), nb::arg("feed"), nb::arg("options").none())
      .def("run_into", &run_into, nb::arg("feed"), nb::arg("output_names"), nb::arg("targets"),
           nb::arg("options").none())
      .def("assigned_nodes", &InferenceSession::assigned_nodes)
      .def("options", &InferenceSession::options, nb::rv_policy::copy)
      .def("end_profiling", &InferenceSession::end_profiling)
      .def("profiling_start_time_ns", &InferenceSession::profiling_start_time_ns);
  module.def("session_from_path", &session_from_path);
  module.def("session_from_bytes", &session_from_bytes);
}

}  // namespace
}  // namespace attune::python

NB_MODULE(_attune, module) {
  using namespace attune;
  using namespace attune::python;
  // Objects that outlive the interpreter's modules are the program's choice, not a defect to print about.
  nb::set_leak_warnings(false);
  bind_errors(module);
  bind_logger(module);
  bind_tensor(module);
  bind_options(module);
  bind_descriptions(module);
  bind_session(module);
  module.attr("__version__") = nb::cast(version());
}
