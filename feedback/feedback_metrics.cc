#include "feedback/feedback_metrics.h"

#include <string>

#include "core/base/check.h"
#include "feedback/batch/batch_gate.h"

namespace rlhf {
namespace {

using prometheus::Counter;
using prometheus::Registry;

Counter& AddComparisons(Registry& registry, const std::string& state) {
  return AddCounter(registry, "rlhf_comparisons_total",
                    "Answers of workers and imported comparisons, by outcome.",
                    {{"state", state}});
}

Counter& AddGenerations(Registry& registry, const std::string& result) {
  return AddCounter(registry, "rlhf_task_generations_total",
                    "Requests to the actor for responses, by outcome.",
                    {{"result", result}});
}

Counter& AddGoldAnswers(Registry& registry, const std::string& result) {
  return AddCounter(registry, "rlhf_feedback_gold_answers_total",
                    "Answers to gold questions, by outcome.",
                    {{"result", result}});
}

}  // namespace

CounterByName::CounterByName(Registry& registry, const std::string& metric,
                             const std::string& help, const std::string& label,
                             const std::vector<std::string>& names) {
  for (const std::string& name : names) {
    counters_[name] = &AddCounter(registry, metric, help, {{label, name}});
  }
}

Counter& CounterByName::Of(const std::string& name) const {
  const auto found = counters_.find(name);
  RLHF_CHECK(found != counters_.end()) << name;
  return *found->second;
}

FeedbackMetrics::FeedbackMetrics(Registry& registry)
    : comparisons_accepted(AddComparisons(registry, "accepted")),
      comparisons_duplicate(AddComparisons(registry, "duplicate")),
      comparisons_refused(AddComparisons(registry, "refused")),
      extra_answers(
          AddCounter(registry, "rlhf_feedback_extra_answers_total",
                     "Late answers that no place of their task was left for.")),
      comparisons_stored(AddGauge(registry, "rlhf_comparisons_stored",
                                  "Comparisons in the log.")),
      last_comparison_timestamp(
          AddGauge(registry, "rlhf_last_comparison_timestamp_seconds",
                   "Time of the last commit since 1970.")),
      comparison_duration(AddHistogram(
          registry, "rlhf_comparison_duration_seconds",
          "From the task shown to the answer, by the worker's clock.",
          {0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500})),
      store_commit_duration(AddHistogram(
          registry, "rlhf_store_commit_duration_seconds",
          "Wall time of one durable commit.",
          {0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5})),
      store_errors(registry, "rlhf_store_errors_total",
                   "Commits that failed, by reason."),
      ready_tasks(AddGauge(registry, "rlhf_queue_items",
                           "Items that wait in a queue.",
                           {{"queue", "feedback_tasks"}})),
      active_leases(AddGauge(registry, "rlhf_leases_active",
                             "Tasks in the hands of workers.")),
      generations_ok(AddGenerations(registry, "ok")),
      generations_failed(AddGenerations(registry, "error")),
      gold_right(AddGoldAnswers(registry, "right")),
      gold_wrong(AddGoldAnswers(registry, "wrong")),
      gold_skipped(AddGoldAnswers(registry, "skipped")),
      workers_paused(AddGauge(registry, "rlhf_feedback_workers_paused",
                              "Workers that the test or a person paused.")),
      agreement_alpha(
          AddGauge(registry, "rlhf_feedback_agreement_alpha",
                   "Krippendorff's alpha of answers to the same tasks.")),
      tasks_dropped(
          AddCounter(registry, "rlhf_tasks_dropped_total",
                     "Tasks dropped because both responses were the same.")),
      batches(registry, "rlhf_feedback_batches_total",
              "Batches of imported comparisons, by verdict.", "verdict",
              {"accepted", "quarantined", "released", "refused"}),
      batch_findings(registry, "rlhf_feedback_batch_findings_total",
                     "Checks that a batch did not pass.", "check",
                     BatchChecks()),
      http_refusals(registry, "rlhf_http_refusals_total",
                    "Requests that were not let in, by why.", "reason",
                    {"not_logged_in", "not_allowed", "too_many"}) {}

}  // namespace rlhf
