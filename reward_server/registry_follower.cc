#include "reward_server/registry_follower.h"

#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr absl::Duration kRetryPause = absl::Seconds(5);

}  // namespace

absl::StatusOr<std::shared_ptr<const LoadedPm>> RegistryFollower::Load(
    int64_t version) const {
  RLHF_RETURN_IF_ERROR(registry_.Verify(version));
  RLHF_ASSIGN_OR_RETURN(const v1::ModelVersion stated, registry_.Get(version));
  return LoadPm(registry_.Directory(version), stated, dtype_, device_);
}

absl::Status RegistryFollower::Follow() {
  RLHF_ASSIGN_OR_RETURN(const Aliases aliases, registry_.CurrentAliases());
  const auto wanted = aliases.find("serving");
  if (wanted == aliases.end()) return absl::OkStatus();
  const absl::Status status = slots_->serving() == nullptr
                                  ? Begin(aliases, wanted->second)
                                  : FollowServing(wanted->second);
  slots_->SetCanary(Trial(aliases, "canary", slots_->canary()));
  slots_->SetShadow(Trial(aliases, "shadow", slots_->shadow()));
  return status;
}

absl::Status RegistryFollower::FollowServing(int64_t wanted) {
  if (slots_->serving()->version.version() == wanted) return absl::OkStatus();
  // One that was rolled back to or was on trial is held: it serves at once.
  std::shared_ptr<const LoadedPm> pm = slots_->shadow();
  if (const auto slot = slots_->Get(wanted); slot.ok()) pm = *slot;
  if (pm == nullptr || pm->version.version() != wanted) {
    RLHF_ASSIGN_OR_RETURN(pm, Load(wanted));
  }
  slots_->Swap(pm);
  RLHF_LOG(INFO) << "PM version " << wanted << " serves";
  return absl::OkStatus();
}

absl::Status RegistryFollower::Begin(const Aliases& aliases, int64_t wanted) {
  RLHF_ASSIGN_OR_RETURN(std::shared_ptr<const LoadedPm> serving, Load(wanted));
  std::shared_ptr<const LoadedPm> previous;
  const auto before = aliases.find("previous");
  if (before != aliases.end() && before->second != wanted) {
    const auto pm = Load(before->second);
    if (pm.ok()) previous = *pm;
    if (!pm.ok()) {
      RLHF_LOG(WARNING) << "the previous PM is not there to score a batch that "
                           "was begun with it: "
                        << pm.status();
    }
  }
  slots_->Begin(std::move(serving), std::move(previous));
  RLHF_LOG(INFO) << "PM version " << wanted << " serves";
  return absl::OkStatus();
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
  if (MonotonicNow() < next_trial_) return nullptr;
  const auto pm = Load(wanted->second);
  if (pm.ok()) {
    RLHF_LOG(INFO) << "PM version " << wanted->second << " is " << alias;
    return *pm;
  }
  // Proving a version reads all of it.
  next_trial_ = MonotonicNow() + kRetryPause;
  RLHF_LOG(ERROR) << "the " << alias << " PM is not loaded: " << pm.status();
  return nullptr;
}

}  // namespace rlhf
