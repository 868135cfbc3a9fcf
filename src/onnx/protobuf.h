// protozero, with its checks kept in release builds. Include this instead of protozero's own headers.
//
// A file decides the wire type of each field, and protozero only asserts that it is the one that is then read. In a
// damaged file it is not; the reader must say so in every build, neither abort nor take a number for a length.
#pragma once

#include <protozero/exception.hpp>

namespace attune {

struct WrongWireType final : protozero::exception {
  const char* what() const noexcept override { return "a field has another wire type than its number says"; }
};

}  // namespace attune

#ifdef protozero_assert
#error "protozero was included before onnx/protobuf.h"
#endif
#define protozero_assert(condition) ((condition) ? static_cast<void>(0) : throw ::attune::WrongWireType())

#include <protozero/pbf_reader.hpp>  // IWYU pragma: export
#include <protozero/pbf_writer.hpp>  // IWYU pragma: export
