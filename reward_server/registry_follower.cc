#include "reward_server/registry_follower.h"

#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::StatusOr<std::shared_ptr<const LoadedPm>> RegistryFollower::Load(
    int64_t version) const {
  RLHF_RETURN_IF_ERROR(registry_.Verify(version));
  RLHF_ASSIGN_OR_RETURN(const v1::ModelVersion stated, registry_.Get(version));
  return LoadPm(registry_.Directory(version), stated, dtype_);
}

absl::Status RegistryFollower::Follow() {
  RLHF_ASSIGN_OR_RETURN(const Aliases aliases, registry_.CurrentAliases());
  const auto wanted = aliases.find("serving");
  if (wanted == aliases.end()) return absl::OkStatus();
  if (slots_->serving() == nullptr) LoadPrevious(aliases, wanted->second);
  const absl::Status status = FollowServing(wanted->second);
  slots_->SetCanary(Trial(aliases, "canary", slots_->canary()));
  slots_->SetShadow(Trial(aliases, "shadow", slots_->shadow()));
  return status;
}

absl::Status RegistryFollower::FollowServing(int64_t wanted) {
  const auto serving = slots_->serving();
  if (serving != nullptr && serving->version.version() == wanted) {
    return absl::OkStatus();
  }
  // One that was rolled back to or was on trial is held: it serves at once.
  auto held = serving == nullptr ? nullptr : slots_->shadow();
  if (serving != nullptr) {
    if (const auto slot = slots_->Get(wanted); slot.ok()) held = *slot;
  }
  if (held == nullptr || held->version.version() != wanted) {
    RLHF_ASSIGN_OR_RETURN(held, Load(wanted));
  }
  slots_->Swap(held);
  RLHF_LOG(INFO) << "PM version " << wanted << " serves";
  return absl::OkStatus();
}

void RegistryFollower::LoadPrevious(const Aliases& aliases, int64_t serving) {
  const auto previous = aliases.find("previous");
  if (previous == aliases.end() || previous->second == serving) return;
  const auto pm = Load(previous->second);
  if (pm.ok()) return slots_->Swap(*pm);
  RLHF_LOG(WARNING) << "the previous PM is not there to score a batch that was "
                       "begun with it: "
                    << pm.status();
}

std::shared_ptr<const LoadedPm> RegistryFollower::Trial(
    const Aliases& aliases, const std::string& alias,
    const std::shared_ptr<const LoadedPm>& held) {
  const auto wanted = aliases.find(alias);
  if (wanted == aliases.end()) return nullptr;
  if (held != nullptr && held->version.version() == wanted->second) {
    return held;
  }
  // From the shadow to the canary it need not be loaded again.
  const auto shadow = slots_->shadow();
  if (shadow != nullptr && shadow->version.version() == wanted->second) {
    return shadow;
  }
  if (unloadable_trial_ == wanted->second) return nullptr;
  const auto pm = Load(wanted->second);
  if (pm.ok()) {
    RLHF_LOG(INFO) << "PM version " << wanted->second << " is " << alias;
    return *pm;
  }
  unloadable_trial_ = wanted->second;
  RLHF_LOG(ERROR) << "the " << alias << " PM is not loaded: " << pm.status();
  return nullptr;
}

}  // namespace rlhf
