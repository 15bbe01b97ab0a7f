// When which PM began to serve. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/registry/transition_log.h"

namespace rlhf {

struct ServingChange {
  absl::Time time;
  // Versions; 0: none.
  int64_t from = 0;
  int64_t to = 0;
  std::string by;
  std::string reason;
  // What served before serves again, and in its place: a promotion was undone.
  bool taken_back = false;
};

// Oldest first; `transitions` are all of a registry, in order.
std::vector<ServingChange> ServingChanges(
    const std::vector<Transition>& transitions);

}  // namespace rlhf
