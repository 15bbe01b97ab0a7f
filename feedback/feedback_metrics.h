// The series of the feedback process.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/telemetry/series.h"

namespace rlhf {

// A counter for each of some names, all there from the start. Thread-safe.
class CounterByName {
 public:
  CounterByName(prometheus::Registry& registry, const std::string& metric,
                const std::string& help, const std::string& label,
                const std::vector<std::string>& names);

  // Dies if `name` is none of them.
  prometheus::Counter& Of(const std::string& name) const;

 private:
  std::map<std::string, prometheus::Counter*> counters_;
};

// Registers the series once and holds a handle to each. `registry` must outlive
// this object. Thread-safe.
class FeedbackMetrics {
 public:
  explicit FeedbackMetrics(prometheus::Registry& registry);

  // rlhf_comparisons_total{state="accepted"}
  // Comparisons committed since start.
  prometheus::Counter& comparisons_accepted;
  // rlhf_comparisons_total{state="duplicate"}
  // Retries of comparisons that were committed before.
  prometheus::Counter& comparisons_duplicate;
  // rlhf_comparisons_total{state="refused"}
  // Malformed, superseded or conflicting answers.
  prometheus::Counter& comparisons_refused;

  // rlhf_feedback_extra_answers_total
  // Late answers that no place of their task was left for; accepted ones.
  prometheus::Counter& extra_answers;

  // rlhf_comparisons_stored
  // Comparisons in the log.
  prometheus::Gauge& comparisons_stored;
  // rlhf_last_comparison_timestamp_seconds
  prometheus::Gauge& last_comparison_timestamp;
  // rlhf_comparison_duration_seconds
  // From the task shown to the answer, by the worker's clock.
  prometheus::Histogram& comparison_duration;

  // rlhf_store_commit_duration_seconds
  // Wall time of one durable commit, of one or more requests.
  prometheus::Histogram& store_commit_duration;
  // rlhf_store_errors_total{code}
  // Commits that failed.
  CounterByCode store_errors;

  // rlhf_queue_items{queue="feedback_tasks"}
  // Tasks ready for workers.
  prometheus::Gauge& ready_tasks;
  // rlhf_leases_active
  // Tasks in the hands of workers.
  prometheus::Gauge& active_leases;

  // rlhf_task_generations_total{result="ok"|"error"}
  // Requests for responses, by outcome.
  prometheus::Counter& generations_ok;
  prometheus::Counter& generations_failed;
  // rlhf_feedback_gold_answers_total{result="right"|"wrong"|"skipped"}
  // Answers to gold questions since start.
  prometheus::Counter& gold_right;
  prometheus::Counter& gold_wrong;
  prometheus::Counter& gold_skipped;
  // rlhf_feedback_workers_paused
  // Workers that the test or a person has paused.
  prometheus::Gauge& workers_paused;
  // rlhf_feedback_agreement_alpha
  // Krippendorff's alpha of the answers to the same tasks; NaN without any.
  prometheus::Gauge& agreement_alpha;
  // rlhf_tasks_dropped_total
  // Tasks dropped because both responses were the same.
  prometheus::Counter& tasks_dropped;

  // rlhf_feedback_batches_total{verdict}
  // Batches of imported comparisons, by the gate's verdict: accepted,
  // quarantined, refused; and by a person's: released, refused.
  CounterByName batches;
  // rlhf_feedback_batch_findings_total{check}
  // Checks of the batch gate that a batch did not pass (batch/batch_gate.h).
  CounterByName batch_findings;
  // rlhf_http_refusals_total{reason}
  // Requests that were not let in: not_logged_in, not_allowed, too_many.
  CounterByName http_refusals;
};

}  // namespace rlhf
