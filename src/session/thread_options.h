// The options that say how a session uses threads.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "attune/options.h"
#include "base/log.h"
#include "runtime/thread_pool.h"

namespace attune {

/// Whether an entry of SessionOptions::config_entries is anything but "0"; `fallback` when there is none.
bool config_flag(const SessionOptions& options, const char* key, bool fallback);

/// The threads of a run; where an option is 0, as many as the machine and the container allow.
RunLimits run_limits(const SessionOptions& options);

/// `session.intra_op_thread_affinities` as onnxruntime writes it: a set of processors for each thread but the caller,
/// separated by ";", each a list "1,3" or a range "5-8" of numbers from 1 on. Gives CPUs as the operating system
/// numbers them, from 0. Throws Error(kInvalidArgument) for anything else and when there are not `helpers` sets.
std::vector<std::vector<int>> parse_affinities(std::string_view text, int helpers);

/// The pool that a session with affinities has for itself, since its threads are of no use to others; null without the
/// option, which means ThreadPool::shared(), and for runs of one thread. CPUs that this process may not use are one
/// warning: such a thread runs wherever the others of its set are, or anywhere.
std::unique_ptr<ThreadPool> make_own_pool(const SessionOptions& options, const RunLimits& limits, const Logger& logger);

}  // namespace attune
