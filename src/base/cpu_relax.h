// Waiting in a loop without starving the other thread of the core.
#pragma once

namespace attune {

/// One turn of a loop that polls memory: about 140 cycles on Intel cores since Skylake, 10-40 on older ones and AMD.
inline void cpu_relax() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");  // `yield` is a no-op on most cores
#endif
}

}  // namespace attune
