// What a candidate that scores in the shadow of the serving PM says of the same
// dialogues.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "core/base/mutex.h"
#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// A dialogue's score by the serving PM and by the shadow.
struct ShadowScore {
  double serving = 0;
  double shadow = 0;
};

// Spearman's rank correlation, ties with their mean rank; 0 if one side does
// not vary.
double RankCorrelation(const std::vector<ShadowScore>& scores);

// Share of the pairs of dialogues that the serving PM tells apart whose order
// is the same with both; a tie of the shadow's counts half. 0 without any.
double OrderAgreement(const std::vector<ShadowScore>& scores);

// Thread-safe. Keeps the newest `kCapacity` dialogues of one version.
class ShadowRecord {
 public:
  static constexpr size_t kCapacity = 4096;

  // Scores under another version than the ones before begin anew.
  void Add(int64_t version, const std::vector<ShadowScore>& scores);

  // Completes the status of shadow `status.pm()`.
  void Describe(v1::ShadowStatus& status) const;

 private:
  mutable Mutex mutex_;
  int64_t version_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<ShadowScore> scores_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
