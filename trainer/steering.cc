#include "trainer/steering.h"

#include <algorithm>

#include "trainer/sentinel.h"

namespace rlhf {
namespace {

constexpr char kTestMember[] = "test";

}  // namespace

bool IsSteered(const v1::PpoConfig& config) {
  return config.on_swap().num_updates() > 0 ||
         config.on_swap().restart_policy() || config.sentinel().window() > 0;
}

void Steering::Saw(const v1::UpdateReport& report) {
  if (!newest_.empty() &&
      newest_.back().pm().digest() != report.pm().digest()) {
    newest_.clear();
    had_another_pm_ = true;
  }
  newest_.push_back(report);
}

absl::Span<const v1::UpdateReport> Steering::Under(
    const v1::ModelVersion& pm) const {
  const bool same =
      !newest_.empty() && newest_.back().pm().digest() == pm.digest();
  return same ? absl::MakeConstSpan(newest_)
              : absl::Span<const v1::UpdateReport>();
}

std::string Steering::OverOptimisation(
    absl::Span<const v1::UpdateReport> updates) const {
  std::vector<WatchedReward> watched;
  for (const v1::UpdateReport& report : updates) {
    if (!report.left_out().empty()) continue;
    for (const v1::MemberReport& member : report.members()) {
      if (member.member() != kTestMember) continue;
      watched.push_back(
          {report.reward_anchored_mean(), member.anchored_mean()});
    }
  }
  return FindOverOptimisation(watched, config_.sentinel());
}

UpdateOrders Steering::For(const v1::ModelVersion& pm) const {
  UpdateOrders orders;
  const absl::Span<const v1::UpdateReport> under = Under(pm);
  const v1::SwapConfig& swap = config_.on_swap();
  orders.swapped = under.empty() && !newest_.empty();
  orders.restart = orders.swapped && swap.restart_policy();
  if ((orders.swapped || had_another_pm_) &&
      static_cast<int64_t>(under.size()) < swap.num_updates()) {
    orders.after_swap = true;
    orders.rules.kl_factor = swap.kl_factor();
    orders.rules.critic_only = swap.critic_only();
  }
  const auto window = static_cast<size_t>(config_.sentinel().window());
  const auto recent = under.last(std::min(window, under.size()));
  const bool told = std::any_of(
      recent.begin(), recent.end(),
      [](const auto& report) { return !report.over_optimisation().empty(); });
  if (!told) orders.over_optimisation = OverOptimisation(under);
  if (!orders.over_optimisation.empty() &&
      config_.sentinel().action() == v1::SentinelConfig::RAISE_KL) {
    orders.rules.raise_kl = config_.sentinel().kl_factor();
  }
  return orders;
}

std::string Steering::PauseUnder(const v1::ModelVersion& pm) const {
  if (config_.sentinel().action() != v1::SentinelConfig::PAUSE) return "";
  return OverOptimisation(Under(pm));
}

}  // namespace rlhf
