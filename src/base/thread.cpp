#include "base/thread.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>
#include <utility>

#include "base/fork.h"

namespace attune {
namespace {

struct Start {
  std::string name;
  std::function<void()> body;
};

void* run_thread(void* argument) {
  const std::unique_ptr<Start> start(static_cast<Start*>(argument));
  ::pthread_setname_np(::pthread_self(), start->name.c_str());
  start->body();
  return nullptr;
}

}  // namespace

bool start_thread(const std::string& name, std::function<void()> body) {
  auto start = std::make_unique<Start>(Start{name.substr(0, 15), std::move(body)});
  pthread_attr_t attributes;
  if (::pthread_attr_init(&attributes) != 0) return false;
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  // The new thread inherits the mask; setting it there would leave a moment in which a signal can arrive.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT, SIGPROF}) ::sigdelset(&all, fault);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, run_thread, start.get());
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) return false;
  start.release();  // NOLINT(bugprone-unused-return-value): the thread owns it now
  return true;
}

int64_t current_thread_id() noexcept {
  // A child of fork inherits the cache but not the number.
  thread_local int64_t id = 0;
  thread_local uint32_t generation = 0;
  if (const uint32_t now = fork_generation(); id == 0 || now != generation) {
    generation = now;
    id = ::syscall(SYS_gettid);
  }
  return id;
}

int64_t current_process_id() noexcept { return ::getpid(); }

int current_cpu() noexcept { return ::sched_getcpu(); }

void yield_thread() noexcept { ::sched_yield(); }

}  // namespace attune
