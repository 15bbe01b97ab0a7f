#include "core/rpc/reward_replicas.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "core/rpc/retry.h"

namespace rlhf {
namespace {

// How widely a PM is held.
struct Spread {
  int num_holding = 0;
  int num_serving = 0;
  v1::ModelVersion pm;
};

std::map<int64_t, Spread> SpreadOf(
    absl::Span<const v1::RewardStatus> statuses) {
  std::map<int64_t, Spread> spread;
  for (const v1::RewardStatus& status : statuses) {
    for (const v1::ModelVersion* pm : {&status.serving(), &status.previous()}) {
      if (pm->version() == 0) continue;
      Spread& of_pm = spread[pm->version()];
      ++of_pm.num_holding;
      of_pm.num_serving += pm == &status.serving() ? 1 : 0;
      of_pm.pm = *pm;
    }
  }
  return spread;
}

// The most widely held; of those that serve somewhere if `serving`.
v1::ModelVersion Widest(const std::map<int64_t, Spread>& spread, bool serving,
                        int64_t except) {
  const Spread* best = nullptr;
  const auto rank = [](const Spread& spread) {
    return std::tuple(spread.num_holding, spread.num_serving,
                      spread.pm.version());
  };
  for (const auto& [version, candidate] : spread) {
    if (version == except || (serving && candidate.num_serving == 0)) continue;
    if (best == nullptr || rank(candidate) > rank(*best)) best = &candidate;
  }
  return best == nullptr ? v1::ModelVersion() : best->pm;
}

int Urgency(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kResourceExhausted:
      return 3;
    case absl::StatusCode::kNotFound:
      return 2;
    default:
      return 1;
  }
}

}  // namespace

std::vector<size_t> ReplicaTurns::Next(absl::Time now) {
  std::vector<size_t> order;
  for (size_t i = 0; i < silences_.size(); ++i) {
    order.push_back((next_ + i) % silences_.size());
  }
  next_ = (next_ + 1) % silences_.size();
  std::stable_partition(order.begin(), order.end(), [&](size_t replica) {
    return silences_[replica].until <= now;
  });
  return order;
}

void ReplicaTurns::Note(size_t replica, const absl::Status& result,
                        absl::Time now) {
  const bool silent =
      absl::IsUnavailable(result) || absl::IsDeadlineExceeded(result);
  Silence& silence = silences_[replica];
  if (!silent) {
    silence = {};
    return;
  }
  // Calls that were under way together are one silence.
  if (now < silence.until) return;
  silence.length = std::clamp(2 * silence.length, kAvoid, kAvoidMost);
  silence.until = now + silence.length;
}

bool AnotherMayScore(const absl::Status& status) {
  return IsTransient(status) || absl::IsNotFound(status);
}

absl::Status MoreTelling(const absl::Status& a, const absl::Status& b) {
  return Urgency(b) > Urgency(a) ? b : a;
}

v1::RewardStatus MergeStatuses(absl::Span<const v1::RewardStatus> statuses) {
  v1::RewardStatus merged = statuses.front();
  if (statuses.size() == 1) return merged;
  const std::map<int64_t, Spread> spread = SpreadOf(statuses);
  *merged.mutable_serving() = Widest(spread, /*serving=*/true, /*except=*/0);
  *merged.mutable_previous() =
      Widest(spread, /*serving=*/false, merged.serving().version());
  for (const v1::RewardStatus& status : statuses) {
    merged.set_num_swaps(std::min(merged.num_swaps(), status.num_swaps()));
    if (merged.load_error().empty()) {
      merged.set_load_error(status.load_error());
    }
    if (merged.canary_error().empty()) {
      merged.set_canary_error(status.canary_error());
    }
    if (status.canary().version() != merged.canary().version()) {
      merged.clear_canary();
    }
    if (status.shadow().num_dialogues() > merged.shadow().num_dialogues()) {
      *merged.mutable_shadow() = status.shadow();
    }
    if (status.serving().version() == merged.serving().version()) {
      merged.set_tokenizer_digest(status.tokenizer_digest());
    }
  }
  return merged;
}

}  // namespace rlhf
