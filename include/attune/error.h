// Errors. Thread safety: exceptions are values; nothing here is shared.
//
// The library reports every failure, a damaged file or a hostile shape included, by throwing attune::Error. It never
// prints and never aborts.
#ifndef ATTUNE_ERROR_H_
#define ATTUNE_ERROR_H_

#include <stdexcept>
#include <string>
#include <string_view>

namespace attune {

/// What went wrong. The values and their names in messages are ONNX Runtime's, so that a program which inspects either
/// keeps working.
enum class ErrorCode : int {
  kFail = 1,              ///< Anything else, a failure inside a node and a terminated run among them.
  kInvalidArgument = 2,   ///< The caller's mistake: a wrong feed, an option out of range.
  kNoSuchFile = 3,        ///< The model file does not exist.
  kNoModel = 4,           ///< A session without a model.
  kEngineError = 5,       ///< A failure of the engine itself.
  kRuntimeException = 6,  ///< The machine refused something: memory, a thread, a file that cannot be written.
  kInvalidProtobuf = 7,   ///< The bytes are not a protobuf of an ONNX model.
  kModelLoaded = 8,       ///< The model was already loaded.
  kNotImplemented = 9,    ///< A valid model that needs something Attune does not have; the text names it.
  kInvalidGraph = 10,     ///< The model breaks ONNX's rules: types, shapes or names contradict each other.
  kEpFail = 11,           ///< Kept for compatibility; Attune has one provider, the CPU.
};

/// The upper-case name used in messages, such as "INVALID_ARGUMENT".
std::string_view error_code_name(ErrorCode code);

/// The one exception type of the library. what() reads "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : text".
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, std::string_view text);

  ErrorCode code() const { return code_; }

  /// The message without its prefix.
  const std::string& text() const { return text_; }

 private:
  ErrorCode code_;
  std::string text_;
};

}  // namespace attune

#endif  // ATTUNE_ERROR_H_
