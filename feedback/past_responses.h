// Responses that earlier versions of the policy gave, to be compared with fresh
// ones: what people prefer across versions is what Elo is made of, and it shows
// a PM more than two answers of one policy do (Bai et al. 2022, §4.5, fn. 11).
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "feedback/task_scheduler.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

struct PastResponse {
  v1::Prompt prompt;
  VersionedResponse response;
};

// Thread-compatible. Bounded: a new one takes the place of one that its hash
// picks, so that old versions grow rare, but do not vanish at once.
class PastResponses {
 public:
  static constexpr size_t kCapacity = 256;

  void Add(PastResponse response);

  // One of a version before `version`, as `key` picks it; nullopt if there is
  // none.
  std::optional<PastResponse> Draw(int64_t version, uint64_t key) const;

 private:
  uint64_t num_added_ = 0;
  std::vector<PastResponse> kept_;
};

}  // namespace rlhf
