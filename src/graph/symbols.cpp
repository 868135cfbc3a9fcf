#include "graph/symbols.h"

namespace attune {

int64_t Symbols::derived(int64_t dim, int64_t add, int64_t divide) {
  constexpr int64_t kMost = int64_t{1} << 40;  // far above any real window, far below an overflow
  Derivation key{dim, add, divide};
  if (const auto inner = derivations_.find(dim); inner != derivations_.end()) {
    // floor((floor((b + a) / d) + add) / divide) = floor((b + a + add * d) / (d * divide))
    const Derivation& own = inner->second;
    if (own.divide > kMost / divide || add > kMost / own.divide || add < -kMost / own.divide) return fresh();
    key = {own.base, own.add + add * own.divide, own.divide * divide};
  }
  if (key.add == 0 && key.divide == 1) return key.base;
  if (key.add > kMost || key.add < -kMost) return fresh();
  const auto [entry, is_new] = derived_.try_emplace(key, 0);
  if (is_new) {
    entry->second = fresh();
    derivations_.emplace(entry->second, key);
  }
  return entry->second;
}

}  // namespace attune
