#pragma once

#include <pthread.h>
#include <signal.h>

namespace layerkit::runner {

/// All of this thread's, while the object lives: no handler of the caller may run in what is
/// cloned meanwhile.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all{};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_{};
};

}  // namespace layerkit::runner
