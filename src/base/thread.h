// Threads of the operating system.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace attune {

/// Starts a detached thread, named `name` (15 characters), that takes no signals but those of faults and of
/// sampling profilers: handlers of the program, such as Python's, run in its own threads. False when the operating
/// system refuses another thread. `body` must not throw.
[[nodiscard]] bool start_thread(const std::string& name, std::function<void()> body);

/// The kernel's number of the calling thread: what `top -H` shows.
int64_t current_thread_id() noexcept;
int64_t current_process_id() noexcept;

/// The CPU that the calling thread runs on at the moment; -1 where the system does not tell.
int current_cpu() noexcept;

/// Offers the CPU to other threads.
void yield_thread() noexcept;

}  // namespace attune
