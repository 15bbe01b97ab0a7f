// Keeps the reward server's slots as the registry's aliases want them.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/nn/dtype.h"
#include "core/registry/model_registry.h"
#include "reward_server/pm_slots.h"

namespace rlhf {

// Used by one thread. A version is proven against its digest before it is
// loaded; while it loads, and if it cannot be loaded, the old one goes on
// serving.
class RegistryFollower {
 public:
  // `slots` is not owned and must outlive the follower. PMs are loaded with
  // weights of `dtype` on `device`.
  RegistryFollower(const ModelRegistry& registry, at::ScalarType dtype,
                   PmSlots* slots, at::Device device = at::kCPU)
      : registry_(registry), dtype_(dtype), device_(device), slots_(slots) {}

  // One look at "serving", "canary" and "shadow". An error is of the serving
  // one; a trial that cannot be loaded is logged and does not begin.
  absl::Status Follow();

 private:
  absl::StatusOr<std::shared_ptr<const LoadedPm>> Load(int64_t version) const;
  absl::Status FollowServing(int64_t wanted);
  // After a start: a batch may still pin the version that served before, so it
  // is loaded too before either is shown.
  absl::Status Begin(const Aliases& aliases, int64_t wanted);
  // What the slot of `alias` should hold, given what it holds; null for none.
  std::shared_ptr<const LoadedPm> Trial(
      const Aliases& aliases, const std::string& alias,
      const std::shared_ptr<const LoadedPm>& held);

  const ModelRegistry registry_;
  const at::ScalarType dtype_;
  const at::Device device_;
  PmSlots* const slots_;
  absl::Time next_trial_ = absl::InfinitePast();
};

}  // namespace rlhf
