#include "trainer/learner_metrics.h"

namespace rlhf {
namespace {

prometheus::Histogram& AddPhase(prometheus::Registry& registry,
                                const char* phase) {
  return AddHistogram(registry, "rlhf_ppo_phase_duration_seconds",
                      "Wall time of one phase of one PPO update.",
                      {0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000},
                      {{"phase", phase}});
}

prometheus::Counter& AddRollouts(prometheus::Registry& registry,
                                 const std::string& state) {
  return AddCounter(registry, "rlhf_rollouts_total",
                    "Rollouts handed in, by what became of them.",
                    {{"state", state}});
}

}  // namespace

LearnerMetrics::LearnerMetrics(prometheus::Registry& registry)
    : policy_version(AddGauge(registry, "rlhf_policy_version",
                              "Newest published version of the policy.")),
      pm_version(AddGauge(registry, "rlhf_pm_version",
                          "PM version that scores the current batch.")),
      leases_active(AddGauge(registry, "rlhf_leases_active",
                             "Prompts that actors are sampling.")),
      weights_published(AddCounter(registry, "rlhf_weights_published_total",
                                   "Policy versions offered to actors.")),
      weights_sent_bytes(
          AddCounter(registry, "rlhf_weights_sent_bytes_total",
                     "Bytes of weights sent to actors over TCP.")),
      checkpoints(AddCounter(registry, "rlhf_checkpoint_total",
                             "Checkpoints by result.", {{"result", "ok"}})),
      checkpoint_failures(AddCounter(registry, "rlhf_checkpoint_total",
                                     "Checkpoints by result.",
                                     {{"result", "failed"}})),
      last_checkpoint_timestamp(
          AddGauge(registry, "rlhf_last_checkpoint_timestamp_seconds",
                   "When the last checkpoint was written, seconds since "
                   "1970.")),
      registry_(registry),
      skipped_updates_(AddCounter(registry, "rlhf_ppo_skipped_updates_total",
                                  "Updates whose batch was left out.",
                                  {{"reason", "diverged"}})),
      skipped_steps_(AddCounter(registry, "rlhf_ppo_skipped_steps_total",
                                "Optimizer steps left out because their "
                                "gradient was not finite.")),
      restarts_(AddCounter(registry, "rlhf_policy_restarts_total",
                           "Times that the policy began again from the "
                           "initial one at a swap of the PM.")),
      over_optimisation_(
          AddCounter(registry, "rlhf_over_optimisation_total",
                     "Times that the sentinel saw the reward rise while the "
                     "test PM's score fell.")),
      kl_coefficient_(AddGauge(registry, "rlhf_kl_coefficient",
                               "Coefficient of the KL penalty in the last "
                               "update.")),
      reward_mean_(AddGauge(registry, "rlhf_reward_mean",
                            "Mean PM score of the last batch, log-odds.")),
      reward_anchored_mean_(
          AddGauge(registry, "rlhf_reward_anchored_mean",
                   "Mean score of the last batch, on the anchor's scale.")),
      kl_k1_per_sequence_(
          AddGauge(registry, "rlhf_policy_kl_nats",
                   "KL(policy, reference) per response, k1 estimate.")),
      kl_k3_per_sequence_(
          AddGauge(registry, "rlhf_policy_kl_k3_nats",
                   "KL(policy, reference) per response, k3 estimate.")),
      kl_k1_per_token_(
          AddGauge(registry, "rlhf_policy_kl_per_token_nats",
                   "KL(policy, reference) per token, k1 estimate.")),
      entropy_(AddGauge(registry, "rlhf_policy_entropy_nats",
                        "Entropy of the next token, mean over the batch.")),
      clip_ratio_(AddGauge(registry, "rlhf_ppo_clip_ratio",
                           "Share of tokens deprived of gradient by the "
                           "clip.")),
      approx_kl_(AddGauge(registry, "rlhf_ppo_approx_kl_nats",
                          "KL(old, new) of the last update per token.")),
      explained_variance_(
          AddGauge(registry, "rlhf_value_explained_variance_ratio",
                   "Share of the returns' variance that values foresaw.")),
      learning_rate_(AddGauge(registry, "rlhf_learning_rate",
                              "Learning rate of the last update.")),
      staleness_(AddHistogram(registry, "rlhf_rollout_staleness_versions",
                              "Policy versions that a rollout that is trained "
                              "on is behind the learner.",
                              {0, 1, 2, 4, 8, 16, 32, 64})),
      behaviour_weight_mean_(
          AddGauge(registry, "rlhf_behaviour_weight_mean",
                   "Mean weight of a token in decoupled PPO.")),
      behaviour_weight_capped_(
          AddGauge(registry, "rlhf_behaviour_weight_capped_ratio",
                   "Share of tokens whose weight is the cap.")),
      behaviour_effective_(
          AddGauge(registry, "rlhf_behaviour_effective_ratio",
                   "Effective sample size of the weighted tokens, as a share "
                   "of their number.")),
      trained_tokens_(AddHistogram(
          registry, "rlhf_rollout_tokens", "Response tokens of a rollout.",
          {1, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048},
          {{"stage", "trained"}})),
      generation_phase_(AddPhase(registry, "generation")),
      advantage_phase_(AddPhase(registry, "advantage")),
      update_phase_(AddPhase(registry, "update")),
      broadcast_phase_(AddPhase(registry, "broadcast")),
      checkpoint_phase_(AddPhase(registry, "checkpoint")),
      rollouts_done_(AddRollouts(registry, "done")),
      rollouts_rejected_(AddRollouts(registry, "rejected")) {
  constexpr std::pair<v1::RolloutAck::Status, const char*> kReasons[] = {
      {v1::RolloutAck::DUPLICATE, "duplicate"},
      {v1::RolloutAck::SUPERSEDED, "superseded"},
      {v1::RolloutAck::STALE, "stale"},
      {v1::RolloutAck::REFUSED, "refused"}};
  for (const auto& [status, reason] : kReasons) {
    rejected_by_[status] =
        &AddCounter(registry, "rlhf_rollouts_rejected_total",
                    "Rollouts handed in that are not trained on, by reason.",
                    {{"reason", reason}});
  }
}

void LearnerMetrics::CountRollout(v1::RolloutAck::Status status) {
  if (status == v1::RolloutAck::ACCEPTED) return rollouts_done_.Increment();
  rollouts_rejected_.Increment();
  const auto it = rejected_by_.find(status);
  if (it != rejected_by_.end()) it->second->Increment();
}

void LearnerMetrics::CountTrained(const std::vector<v1::Rollout>& rollouts,
                                  int64_t update) {
  for (const v1::Rollout& rollout : rollouts) {
    trained_tokens_.Observe(rollout.response_ids_size());
    staleness_.Observe(
        static_cast<double>(update - 1 - rollout.policy_version()));
  }
}

void LearnerMetrics::ShowMember(const v1::MemberReport& member) {
  AddGauge(registry_, "rlhf_pm_member_reward_anchored_mean",
           "Mean score of the last batch by one member of the PM, on its "
           "anchor's scale.",
           {{"member", member.member()}})
      .Set(member.anchored_mean());
}

void LearnerMetrics::ShowUpdate(const v1::UpdateReport& report) {
  if (report.policy_restarted()) return restarts_.Increment();
  // Its report has no figures.
  if (!report.left_out().empty()) return skipped_updates_.Increment();
  skipped_steps_.Increment(static_cast<double>(report.num_skipped_steps()));
  reward_mean_.Set(report.reward_mean());
  reward_anchored_mean_.Set(report.reward_anchored_mean());
  kl_k1_per_sequence_.Set(report.kl_k1_nats_per_sequence());
  kl_k3_per_sequence_.Set(report.kl_k3_nats_per_sequence());
  kl_k1_per_token_.Set(report.kl_k1_nats_per_token());
  entropy_.Set(report.entropy_nats_per_token());
  clip_ratio_.Set(report.clip_share());
  approx_kl_.Set(report.approx_kl_nats());
  explained_variance_.Set(report.value_explained_variance());
  learning_rate_.Set(report.learning_rate());
  kl_coefficient_.Set(report.kl_coefficient());
  over_optimisation_.Increment(report.over_optimisation().empty() ? 0 : 1);
  for (const v1::MemberReport& member : report.members()) ShowMember(member);
  behaviour_weight_mean_.Set(report.behaviour_weight_mean());
  behaviour_weight_capped_.Set(report.behaviour_weight_capped_share());
  behaviour_effective_.Set(report.behaviour_effective_share());
  generation_phase_.Observe(report.generation_seconds());
  advantage_phase_.Observe(report.advantage_seconds());
  update_phase_.Observe(report.update_seconds());
  broadcast_phase_.Observe(report.broadcast_seconds());
  // Of the checkpoint before this update, if one was due.
  if (report.checkpoint_seconds() > 0) {
    checkpoint_phase_.Observe(report.checkpoint_seconds());
  }
}

}  // namespace rlhf
