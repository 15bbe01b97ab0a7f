// Long work that must not keep the caller from telling others that it is alive.
#pragma once

#include <chrono>
#include <future>
#include <utility>

#include "absl/time/time.h"

namespace rlhf {

// Runs `work` on a thread of its own, calls `tick` on this one every `interval`
// meanwhile, and returns what `work` returned.
template <typename Work, typename Tick>
auto RunBeside(Work&& work, absl::Duration interval, Tick&& tick) {
  auto result = std::async(std::launch::async, std::forward<Work>(work));
  while (result.wait_for(absl::ToChronoMilliseconds(interval)) !=
         std::future_status::ready) {
    tick();
  }
  return result.get();
}

}  // namespace rlhf
