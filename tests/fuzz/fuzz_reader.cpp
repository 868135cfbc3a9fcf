// Any bytes given to the model reader end in a graph whose links are whole, or in attune::Error.
#include <cstddef>
#include <cstdint>
#include <span>

#include "attune/error.h"
#include "onnx/reader.h"
#include "onnx/writer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const attune::Graph graph = attune::load_graph(std::as_bytes(std::span(data, size)), nullptr);
    graph.check();
    attune::write_model(graph);
  } catch (const attune::Error&) {
    return 0;
  }
  return 0;
}
