#include "trainer/learner_metrics.h"

#include <sys/statvfs.h>

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

struct UpdateGauge {
  const char* name;
  const char* help;
  double (v1::UpdateReport::*value)() const;
};

constexpr UpdateGauge kUpdateGauges[] = {
    {"rlhf_reward_mean", "Mean PM score of the last batch, log-odds.",
     &v1::UpdateReport::reward_mean},
    {"rlhf_reward_stddev",
     "Standard deviation of the PM's scores of the last batch, log-odds.",
     &v1::UpdateReport::reward_std},
    {"rlhf_reward_anchored_mean",
     "Mean score of the last batch, on the anchor's scale.",
     &v1::UpdateReport::reward_anchored_mean},
    {"rlhf_kl_coefficient", "Coefficient of the KL penalty in the last update.",
     &v1::UpdateReport::kl_coefficient},
    {"rlhf_policy_kl_nats", "KL(policy, reference) per response, k1 estimate.",
     &v1::UpdateReport::kl_k1_nats_per_sequence},
    {"rlhf_policy_kl_k3_nats",
     "KL(policy, reference) per response, k3 estimate.",
     &v1::UpdateReport::kl_k3_nats_per_sequence},
    {"rlhf_policy_kl_per_token_nats",
     "KL(policy, reference) per token, k1 estimate.",
     &v1::UpdateReport::kl_k1_nats_per_token},
    {"rlhf_policy_entropy_nats",
     "Entropy of the next token, mean over the batch.",
     &v1::UpdateReport::entropy_nats_per_token},
    {"rlhf_ppo_policy_loss", "Policy loss of the last update, per token.",
     &v1::UpdateReport::policy_loss},
    {"rlhf_ppo_value_loss", "Value loss of the last update, per token.",
     &v1::UpdateReport::value_loss},
    {"rlhf_ppo_clip_ratio", "Share of tokens deprived of gradient by the clip.",
     &v1::UpdateReport::clip_share},
    {"rlhf_ppo_approx_kl_nats", "KL(old, new) of the last update per token.",
     &v1::UpdateReport::approx_kl_nats},
    {"rlhf_ppo_gradient_norm",
     "Norm of the gradient before it is clipped, mean over the last update's "
     "steps.",
     &v1::UpdateReport::gradient_norm},
    {"rlhf_value_explained_variance_ratio",
     "Share of the returns' variance that values foresaw.",
     &v1::UpdateReport::value_explained_variance},
    {"rlhf_learning_rate", "Learning rate of the last update.",
     &v1::UpdateReport::learning_rate},
    {"rlhf_rollout_finished_ratio",
     "Share of the last batch's responses that ended by themselves.",
     &v1::UpdateReport::finished_share},
    {"rlhf_behaviour_mismatch_max_nats",
     "Largest difference between the actor's and the learner's "
     "log-probability of one token of the last batch.",
     &v1::UpdateReport::behaviour_mismatch_max_nats},
    {"rlhf_behaviour_weight_mean", "Mean weight of a token in decoupled PPO.",
     &v1::UpdateReport::behaviour_weight_mean},
    {"rlhf_behaviour_weight_capped_ratio",
     "Share of tokens whose weight is the cap.",
     &v1::UpdateReport::behaviour_weight_capped_share},
    {"rlhf_behaviour_effective_ratio",
     "Effective sample size of the weighted tokens, as a share of their "
     "number.",
     &v1::UpdateReport::behaviour_effective_share},
};

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
      disk_free_(AddGauge(registry, "rlhf_disk_free_bytes",
                          "Free space of the file system of the run, after "
                          "the last update.")),
      disk_size_(AddGauge(registry, "rlhf_disk_size_bytes",
                          "Size of the file system of the run.")),
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
      response_reward_(AddHistogram(
          registry, "rlhf_response_reward_anchored",
          "PM score of each response that is trained on, on the anchor's "
          "scale.",
          {-5, -3, -2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2, 3, 5, 10})),
      staleness_(AddHistogram(registry, "rlhf_rollout_staleness_versions",
                              "Policy versions that a rollout that is trained "
                              "on is behind the learner.",
                              {0, 1, 2, 4, 8, 16, 32, 64})),
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
  for (const UpdateGauge& gauge : kUpdateGauges) {
    of_update_.push_back(&AddGauge(registry, gauge.name, gauge.help));
  }
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

void LearnerMetrics::CountTrained(const v1::BatchHeader& header,
                                  const std::vector<v1::Rollout>& rollouts) {
  for (const v1::Rollout& rollout : rollouts) {
    trained_tokens_.Observe(rollout.response_ids_size());
    staleness_.Observe(
        static_cast<double>(header.update() - 1 - rollout.policy_version()));
    response_reward_.Observe((rollout.reward() - header.reward_mean()) /
                             header.reward_scale());
  }
}

void LearnerMetrics::ShowDisk(const std::string& directory) {
  struct statvfs disk {};
  if (::statvfs(directory.c_str(), &disk) != 0) return;
  const auto block = static_cast<double>(disk.f_frsize);
  disk_free_.Set(static_cast<double>(disk.f_bavail) * block);
  disk_size_.Set(static_cast<double>(disk.f_blocks) * block);
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
  for (size_t i = 0; i < of_update_.size(); ++i) {
    of_update_[i]->Set((report.*kUpdateGauges[i].value)());
  }
  over_optimisation_.Increment(report.over_optimisation().empty() ? 0 : 1);
  for (const v1::MemberReport& member : report.members()) ShowMember(member);
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
