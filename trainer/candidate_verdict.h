// What becomes of a candidate PM that is published: its trials, whether what it
// was trained on still stands when they are over, and whether it serves.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/registry/model_registry.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/store.grpc.pb.h"
#include "trainer/candidate_trial.h"

namespace rlhf {

// Used by one thread.
class CandidateVerdict {
 public:
  // Nothing is owned; all must outlive this. `store` tells what was retracted.
  CandidateVerdict(const ModelRegistry* registry, CandidateTrial* trial,
                   v1::Store::Stub* store)
      : registry_(registry), trial_(trial), store_(store) {}

  // From a published candidate, of which `report` tells what the gate said at
  // first, to a promotion or a refusal, which it tells then. Refused, the
  // candidate is on no trial any more. One that has served before is left as it
  // is, so that this may be called again wherever a killed process stopped.
  //
  // `compared_with` served when the candidate was measured; it replaces no
  // other.
  //
  // Errors: Cancelled at shutdown; those of the registry and of asking `store`.
  absl::Status Conclude(std::optional<int64_t> compared_with,
                        v1::PmReport& report);

 private:
  // Whether `version` served at any time.
  absl::StatusOr<bool> Served(int64_t version) const;
  absl::Status Try(std::optional<int64_t> serving, v1::PmReport& report);
  absl::Status RefuseIfRetracted(v1::PmReport& report);
  // Because of what serves.
  static void Refuse(const std::string& found, v1::PmReport& report);
  absl::Status Promote(std::optional<int64_t> serving, v1::PmReport& report);

  const ModelRegistry* const registry_;
  CandidateTrial* const trial_;
  v1::Store::Stub* const store_;
};

}  // namespace rlhf
