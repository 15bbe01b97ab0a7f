// A run's comparisons, wherever they can be read.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/role_clients.h"
#include "core/base/clock.h"
#include "feedback/feedback_metrics.h"
#include "feedback/preference_store.h"
#include "prometheus/registry.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

// A store, with what it needs beside it, for a run whose service does not run.
// The context must outlive the store.
struct StoreContext {
  RealClock clock;
  prometheus::Registry registry;
  FeedbackMetrics metrics{registry};

  // The run's store; it is made if there is none.
  // Errors: as OpenPreferenceStore; FailedPrecondition means that the service
  // has it open.
  absl::StatusOr<std::unique_ptr<PreferenceStore>> Open(
      const v1::RunConfig& config);
};

// The log as it is when it is opened: from the store or, if the service has it
// open, from the service. The store is held until the log is destroyed.
class ComparisonLog {
 public:
  // Errors: NotFound if the run has no store; those of OpenPreferenceStore
  // but FailedPrecondition; then those of RoleClients.
  static absl::StatusOr<std::unique_ptr<const ComparisonLog>> Open(
      const v1::RunConfig& config);

  int64_t num_comparisons() const { return num_comparisons_; }

  // Comparisons first_seq to last_seq, in order.
  // Errors: as PreferenceStore::Read and RoleClients::Comparisons.
  absl::StatusOr<std::vector<v1::Comparison>> Read(int64_t first_seq,
                                                   int64_t last_seq) const;

  // Shows the first `num_comparisons` of them to `take`, a page in memory at a
  // time. Errors: as Read, and those of `take`.
  absl::Status ForEach(
      int64_t num_comparisons,
      const std::function<absl::Status(const v1::Comparison&)>& take) const;
  // The same with all of them.
  absl::Status ForEach(
      const std::function<absl::Status(const v1::Comparison&)>& take) const {
    return ForEach(num_comparisons_, take);
  }

  // What was taken back, in order. Errors: as Read.
  absl::StatusOr<std::vector<v1::Retraction>> Retractions() const;

 private:
  ComparisonLog() = default;

  StoreContext context_;
  // One of the two.
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<RoleClients> service_;
  int64_t num_comparisons_ = 0;
};

}  // namespace rlhf
