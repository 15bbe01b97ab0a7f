#include "trainer/batch.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "trainer/learner_models.h"
#include "trainer/text_samples.h"

namespace rlhf {
namespace {

void FollowKlOrder(const Batch& batch, PpoTrainer& trainer) {
  const v1::LiveSettings& settings = batch.header.settings();
  if (!settings.has_kl_coefficient()) return;
  trainer.OrderKlCoefficient(settings.kl_coefficient(), settings.kl_order());
}

int64_t StalenessOf(const Batch& batch, const v1::Rollout& rollout) {
  return batch.header.update() - 1 - rollout.policy_version();
}

void DescribeMembers(const Batch& batch, v1::UpdateReport& report) {
  const auto count = static_cast<double>(batch.rollouts.size());
  for (const v1::MemberAnchor& anchor : batch.header.members()) {
    double sum = 0;
    for (const v1::Rollout& rollout : batch.rollouts) {
      for (const v1::MemberScore& score : rollout.member_scores()) {
        if (score.member() == anchor.member()) sum += score.score();
      }
    }
    v1::MemberReport& member = *report.add_members();
    member.set_member(anchor.member());
    member.set_mean(sum / count);
    member.set_anchored_mean((sum / count - anchor.mean()) / anchor.scale());
  }
}

}  // namespace

std::vector<PpoSample> ToSamples(const Batch& batch) {
  std::vector<PpoSample> samples;
  for (const v1::Rollout& rollout : batch.rollouts) {
    samples.push_back(
        {.prompt_ids = {rollout.prompt_ids().begin(),
                        rollout.prompt_ids().end()},
         .response_ids = {rollout.response_ids().begin(),
                          rollout.response_ids().end()},
         .behaviour_logprobs = {rollout.behaviour_logprobs().begin(),
                                rollout.behaviour_logprobs().end()},
         .score = (rollout.reward() - batch.header.reward_mean()) /
                  batch.header.reward_scale(),
         .ended = rollout.finish_reason() == v1::FINISH_REASON_STOP,
         .staleness = StalenessOf(batch, rollout)});
  }
  return samples;
}

void DescribeBatch(const Batch& batch, v1::UpdateReport& report) {
  const auto count = static_cast<double>(batch.rollouts.size());
  double sum = 0, square_sum = 0, tokens = 0, ended = 0;
  int64_t staleness_sum = 0, staleness_max = 0;
  for (const v1::Rollout& rollout : batch.rollouts) {
    sum += rollout.reward();
    square_sum += static_cast<double>(rollout.reward()) * rollout.reward();
    tokens += rollout.response_ids_size();
    ended += rollout.finish_reason() == v1::FINISH_REASON_STOP ? 1 : 0;
    staleness_sum += StalenessOf(batch, rollout);
    staleness_max = std::max(staleness_max, StalenessOf(batch, rollout));
  }
  const double mean = sum / count;
  *report.mutable_pm() = batch.header.pm();
  report.set_policy_version(batch.header.update());
  report.set_num_rollouts(static_cast<int32_t>(batch.rollouts.size()));
  report.set_reward_mean(mean);
  report.set_reward_std(
      std::sqrt(std::max(0.0, square_sum / count - mean * mean)));
  report.set_reward_offset(batch.header.reward_mean());
  report.set_reward_scale(batch.header.reward_scale());
  report.set_reward_anchored_mean((mean - batch.header.reward_mean()) /
                                  batch.header.reward_scale());
  report.set_response_tokens_mean(tokens / count);
  report.set_finished_share(ended / count);
  report.set_staleness_max(staleness_max);
  report.set_staleness_mean(static_cast<double>(staleness_sum) / count);
  report.set_generation_seconds(batch.seconds);
  DescribeMembers(batch, report);
  AddTextSamples(batch, report);
}

absl::StatusOr<v1::UpdateReport> MakeUpdate(const Batch& batch,
                                            const UpdateOrders& orders,
                                            PpoTrainer& trainer) {
  FollowKlOrder(batch, trainer);
  UpdateRules rules = orders.rules;
  if (batch.header.settings().has_learning_rate()) {
    rules.learning_rate = batch.header.settings().learning_rate();
  }
  RLHF_ASSIGN_OR_RETURN(
      v1::UpdateReport report,
      trainer.Update(ToSamples(batch), batch.header.update(), rules));
  DescribeBatch(batch, report);
  report.set_pm_swapped(orders.swapped);
  report.set_after_swap(orders.after_swap);
  report.set_over_optimisation(orders.over_optimisation);
  return report;
}

absl::StatusOr<v1::UpdateReport> RestartPolicy(const v1::RunConfig& config,
                                               const Batch& batch,
                                               PpoTrainer& trainer) {
  RLHF_ASSIGN_OR_RETURN(PpoTrainer::Models models,
                        LoadLearnerModels(config, trainer.policy().device()));
  trainer.Restart(std::move(models));
  FollowKlOrder(batch, trainer);
  v1::UpdateReport report;
  report.set_kl_coefficient(trainer.kl_coefficient());
  report.set_update(batch.header.update());
  DescribeBatch(batch, report);
  report.set_pm_swapped(true);
  report.set_policy_restarted(true);
  report.set_left_out(absl::StrCat(
      "the policy begins again from the initial one under PM version ",
      batch.header.pm().version(), "; the one before sampled the batch"));
  return report;
}

std::string EncodeBatch(const Batch& batch) {
  v1::SubmitRolloutsRequest rollouts;
  for (const v1::Rollout& rollout : batch.rollouts) {
    *rollouts.add_rollouts() = rollout;
  }
  const std::string header = batch.header.SerializeAsString();
  return absl::StrCat(absl::StrFormat("%08d", header.size()), header,
                      rollouts.SerializeAsString());
}

Batch DecodeBatch(const std::string& bytes) {
  Batch batch;
  const size_t header_size = std::stoul(bytes.substr(0, 8));
  v1::SubmitRolloutsRequest rollouts;
  const bool parsed =
      batch.header.ParseFromString(bytes.substr(8, header_size)) &&
      rollouts.ParseFromString(bytes.substr(8 + header_size));
  RLHF_CHECK(parsed);
  batch.rollouts = {rollouts.rollouts().begin(), rollouts.rollouts().end()};
  return batch;
}

}  // namespace rlhf
