#include "trainer/update_summary.h"

#include <ATen/TensorOperators.h>

#include "core/base/status_macros.h"
#include "trainer/ppo/explained_variance.h"
#include "trainer/ppo/kl_estimators.h"
#include "trainer/ppo/whiten.h"

namespace rlhf {

absl::StatusOr<v1::UpdateReport> SummarizeUpdate(
    UpdateTotals totals, const BatchEvaluation& evaluation,
    const Credit& credit, int64_t num_samples, Communicator& communicator) {
  const KlSums own_kl = SumKl(evaluation.logprob_N, evaluation.ref_logprob_N);
  double kl_k1 = own_kl.k1_nats, kl_k3 = own_kl.k3_nats;
  double kl_tokens = static_cast<double>(own_kl.num_tokens);
  double entropy = evaluation.entropy_sum;
  MomentSums returns = SumMoments(credit.return_N);
  MomentSums residuals = SumMoments(credit.return_N - evaluation.value_N);
  RLHF_RETURN_IF_ERROR(communicator.SumNumbers({&kl_k1,
                                                &kl_k3,
                                                &kl_tokens,
                                                &entropy,
                                                &totals.policy_loss,
                                                &totals.value_loss,
                                                &totals.clip_count,
                                                &totals.approx_kl,
                                                &totals.ratio_offset,
                                                &totals.ratio_offset_square,
                                                &totals.value_clip_count,
                                                &totals.num_tokens,
                                                &totals.pretraining_loss,
                                                &totals.num_pretraining_tokens,
                                                &returns.count,
                                                &returns.sum,
                                                &returns.sum_of_squares,
                                                &residuals.count,
                                                &residuals.sum,
                                                &residuals.sum_of_squares}));
  const KlSummary kl =
      SummarizeKl({.k1_nats = kl_k1,
                   .k3_nats = kl_k3,
                   .num_tokens = static_cast<int64_t>(kl_tokens)},
                  num_samples);
  v1::UpdateReport report;
  report.set_kl_k1_nats_per_sequence(kl.k1_nats_per_sequence);
  report.set_kl_k3_nats_per_sequence(kl.k3_nats_per_sequence);
  report.set_kl_k1_nats_per_token(kl.k1_nats_per_token);
  report.set_entropy_nats_per_token(entropy / kl_tokens);
  report.set_policy_loss(totals.policy_loss / totals.num_tokens);
  report.set_value_loss(totals.value_loss / totals.num_tokens);
  report.set_clip_share(totals.clip_count / totals.num_tokens);
  report.set_approx_kl_nats(totals.approx_kl / totals.num_tokens);
  const double ratio_offset = totals.ratio_offset / totals.num_tokens;
  report.set_ratio_mean(1 + ratio_offset);
  report.set_ratio_variance(totals.ratio_offset_square / totals.num_tokens -
                            ratio_offset * ratio_offset);
  report.set_value_clip_share(totals.value_clip_count / totals.num_tokens);
  if (totals.num_pretraining_tokens > 0) {
    report.set_pretraining_loss_nats_per_token(totals.pretraining_loss /
                                               totals.num_pretraining_tokens);
  }
  report.set_gradient_norm(totals.gradient_norm /
                           static_cast<double>(totals.num_steps));
  report.set_num_skipped_steps(totals.num_skipped_steps);
  report.set_value_explained_variance(
      ExplainedVariance(FromSums(returns), FromSums(residuals)));
  return report;
}

absl::StatusOr<double> LimitedKl(const v1::LearnerConfig& config,
                                 const BatchEvaluation& evaluation,
                                 int64_t num_samples,
                                 Communicator& communicator) {
  if (config.max_kl_nats_per_sequence() == 0) return 0.0;
  double kl = SumKl(evaluation.logprob_N, evaluation.ref_logprob_N).k1_nats;
  RLHF_RETURN_IF_ERROR(communicator.SumNumbers({&kl}));
  return kl / static_cast<double>(num_samples);
}

v1::UpdateReport LeftOutReport(int64_t update, const UpdateTotals& totals,
                               double kl_nats_per_sequence,
                               double kl_coefficient) {
  v1::UpdateReport report;
  report.set_update(update);
  report.set_num_skipped_steps(totals.num_skipped_steps);
  report.set_kl_k1_nats_per_sequence(kl_nats_per_sequence);
  report.set_kl_coefficient(kl_coefficient);
  return report;
}

}  // namespace rlhf
