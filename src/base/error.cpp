#include "attune/error.h"

#include <fmt/format.h>

namespace attune {

std::string_view error_code_name(ErrorCode code) {
  switch (code) {
    case ErrorCode::kFail:
      return "FAIL";
    case ErrorCode::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case ErrorCode::kNoSuchFile:
      return "NO_SUCHFILE";
    case ErrorCode::kNoModel:
      return "NO_MODEL";
    case ErrorCode::kEngineError:
      return "ENGINE_ERROR";
    case ErrorCode::kRuntimeException:
      return "RUNTIME_EXCEPTION";
    case ErrorCode::kInvalidProtobuf:
      return "INVALID_PROTOBUF";
    case ErrorCode::kModelLoaded:
      return "MODEL_LOADED";
    case ErrorCode::kNotImplemented:
      return "NOT_IMPLEMENTED";
    case ErrorCode::kInvalidGraph:
      return "INVALID_GRAPH";
    case ErrorCode::kEpFail:
      return "EP_FAIL";
  }
  return "FAIL";
}

Error::Error(ErrorCode code, std::string_view text)
    : std::runtime_error(
          fmt::format("[ONNXRuntimeError] : {} : {} : {}", static_cast<int>(code), error_code_name(code), text)),
      code_(code),
      text_(text) {}

}  // namespace attune
