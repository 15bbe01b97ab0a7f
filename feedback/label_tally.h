// What the comparisons so far add up to, for the requester's page: how many, of
// which kind, how fast, and what they cost.
#pragma once

#include <cstdint>
#include <map>

#include "absl/time/time.h"
#include "core/base/json.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Thread-compatible; of constant size.
class LabelTally {
 public:
  // The last hour is told in so many equal parts.
  static constexpr int kNumBins = 12;

  // Comparisons come in the order of the log.
  void Add(const v1::Comparison& comparison);

  // Sequence number of the last comparison added; 0: none.
  int64_t last_seq() const { return last_seq_; }

  // {"counted_seq", "answers", "extra", "imported", "flagged", "skipped",
  //  "undecided", "left_share" (of decided answers; null: none),
  //  "answers_per_bin" (oldest first, the last one is still running),
  //  "bin_minutes", "price_per_answer", "spend"}. Answers are what people and
  // the crowd gave here, without imports; only they are paid. The extra ones
  // are among them: who gave them did the work.
  Json ToJson(absl::Time now, double price_per_answer) const;

 private:
  int64_t last_seq_ = 0;
  int64_t num_answers_ = 0;
  int64_t num_extra_ = 0;
  int64_t num_imported_ = 0;
  int64_t num_flagged_ = 0;
  int64_t num_skipped_ = 0;
  // Ties, and both bad.
  int64_t num_undecided_ = 0;
  int64_t num_left_ = 0;
  int64_t num_decided_ = 0;
  // Five minutes since 1970 -> answers in them; the newest kNumBins.
  std::map<int64_t, int64_t> bins_;
};

}  // namespace rlhf
