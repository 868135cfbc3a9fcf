// What an operator promises of the constants that it packs.
#pragma once

namespace attune {

/// A base class of operators beside Operator, for those that say of some constant inputs that their elements need not
/// be there when their packed form is: not copied out of the model's file, nor widened.
class PacksConstants {
 public:
  virtual ~PacksConstants() = default;

  /// Whether prepare() reads the elements of constant input i within `fill` of PrepareContext::pack() alone. It may
  /// look at type and shape anywhere.
  virtual bool reads_only_to_pack(int i) const = 0;
};

}  // namespace attune
