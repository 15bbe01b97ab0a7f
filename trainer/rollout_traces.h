// Rollouts as rank 0 sees them, for those who follow one: leased, admitted,
// used in an update.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/telemetry/span_file.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/rollout.pb.h"
#include "trainer/batch.h"

namespace rlhf {

// Which rollouts are traced, and under which names, follows from the
// configuration and their ids alone, so a restart changes nothing. Every span
// is of the trace of its rollout and below the lease of its attempt. Leased and
// Admitted are thread-safe; the others are the main thread's.
class RolloutTraces {
 public:
  // `spans` is not owned, must outlive this, and may be null: then nothing is
  // traced.
  RolloutTraces(const v1::RunConfig& config, SpanFile* spans);

  // Tells of a lease and gives it its context, if its rollout is traced.
  void Leased(const std::string& actor_id, v1::PromptLease& lease);

  // A submission that came at `received`, of MonotonicNow.
  void Admitted(const v1::Rollout& rollout, const v1::RolloutAck& ack,
                absl::Time received);

  // The update of this batch begins, and has ended.
  void Begin(const Batch& batch);
  void End(const v1::UpdateReport& report);

 private:
  struct InUse {
    std::string rollout_id;
    TraceContext lease;
  };

  // Where what happens to an attempt belongs; nullopt if it is not traced.
  std::optional<TraceContext> LeaseOf(const std::string& rollout_id,
                                      int attempt) const;

  SpanFile* const spans_;
  const double share_;
  const std::string run_;
  absl::Time began_;
  std::vector<InUse> in_use_;
};

}  // namespace rlhf
