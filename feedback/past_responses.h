// Responses that earlier versions of the policy gave, to be compared with fresh
// ones: what people prefer across versions is what Elo is made of, and it shows
// a PM more than two answers of one policy do (Bai et al. 2022, §4.5, fn. 11).
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "absl/types/span.h"
#include "feedback/policy_path.h"
#include "feedback/task_scheduler.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

struct PastResponse {
  v1::Prompt prompt;
  // Of a version >= 0.
  VersionedResponse response;
};

// Thread-compatible. Bounded: when it is full, one goes of the place on the
// policy's path (policy_path.h) that has most, as a hash picks it. So old
// versions grow rare, but what a stretch of the path said does not vanish.
class PastResponses {
 public:
  static constexpr size_t kCapacity = 256;

  // Updates that are news, in their order: versions may stand elsewhere now.
  void Saw(absl::Span<const v1::UpdateReport> reports);

  // The same response of the same version to the same prompt is kept once.
  void Add(PastResponse response);

  // One of a version before `version`, as `key` picks it by DrawAcross; nullopt
  // if there is none.
  std::optional<PastResponse> Draw(int64_t version, uint64_t key) const;

  size_t size() const { return kept_.size(); }

 private:
  struct Kept {
    PastResponse past;
    PolicyPlace place;
  };

  bool Has(const PastResponse& response) const;
  // Where one is that has most others beside it.
  size_t CrowdedIndex(uint64_t key) const;

  PolicyPath path_;
  uint64_t num_added_ = 0;
  std::vector<Kept> kept_;
  std::map<PolicyPlace, int> num_at_;  // of kept_
};

}  // namespace rlhf
