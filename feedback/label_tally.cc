#include "feedback/label_tally.h"

#include "core/comparisons/choice.h"
#include "feedback/workers/habits.h"

namespace rlhf {
namespace {

constexpr int64_t kBinMs = 5 * 60 * 1000;

}  // namespace

void LabelTally::Add(const v1::Comparison& comparison) {
  last_seq_ = comparison.seq();
  if (!IsJudgedHere(comparison)) {
    ++num_imported_;
    return;
  }
  ++num_answers_;
  if (comparison.extra()) ++num_extra_;
  if (comparison.flagged()) ++num_flagged_;
  if (comparison.choice() == v1::SKIPPED) {
    ++num_skipped_;
  } else if (comparison.choice() == v1::TIE ||
             comparison.choice() == v1::BOTH_BAD) {
    ++num_undecided_;
  }
  if (IsDecided(comparison)) {
    ++num_decided_;
    if (*PickedLeft(comparison)) ++num_left_;
  }
  ++bins_[comparison.committed_unix_ms() / kBinMs];
  while (bins_.size() > kNumBins) bins_.erase(bins_.begin());
}

Json LabelTally::ToJson(absl::Time now, double price_per_answer) const {
  const int64_t current = absl::ToUnixMillis(now) / kBinMs;
  Json per_bin = Json::array();
  for (int64_t bin = current - kNumBins + 1; bin <= current; ++bin) {
    const auto found = bins_.find(bin);
    per_bin.push_back(found == bins_.end() ? 0 : found->second);
  }
  Json left_share;
  if (num_decided_ > 0) {
    left_share =
        static_cast<double>(num_left_) / static_cast<double>(num_decided_);
  }
  return {{"counted_seq", last_seq_},
          {"answers", num_answers_},
          {"extra", num_extra_},
          {"imported", num_imported_},
          {"flagged", num_flagged_},
          {"skipped", num_skipped_},
          {"undecided", num_undecided_},
          {"left_share", left_share},
          {"answers_per_bin", std::move(per_bin)},
          {"bin_minutes", kBinMs / 60'000},
          {"price_per_answer", price_per_answer},
          {"spend", price_per_answer * static_cast<double>(num_answers_)}};
}

}  // namespace rlhf
