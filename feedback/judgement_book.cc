#include "feedback/judgement_book.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr absl::string_view kRevision = "-r";

bool HasKey(const v1::Comparison& comparison) {
  return !comparison.judgement_key().empty();
}

}  // namespace

absl::string_view BaseComparisonId(absl::string_view comparison_id) {
  const size_t mark = comparison_id.rfind(kRevision);
  if (mark == absl::string_view::npos) return comparison_id;
  const absl::string_view number = comparison_id.substr(mark + 2);
  const bool is_number =
      !number.empty() &&
      std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
  return is_number ? comparison_id.substr(0, mark) : comparison_id;
}

JudgementPlacing PlaceJudgement(const v1::Comparison& comparison,
                                const std::optional<NewestAnswer>& newest) {
  if (!newest.has_value()) return JudgementPlacing::kNew;
  if (BaseComparisonId(newest->comparison_id) ==
      BaseComparisonId(comparison.comparison_id())) {
    return JudgementPlacing::kSame;
  }
  const int64_t then = newest->judged_unix_ms;
  const int64_t now = comparison.judged_unix_ms();
  const bool is_older = then > 0 && now > 0 && now < then;
  return is_older ? JudgementPlacing::kOutdated : JudgementPlacing::kNew;
}

absl::StatusOr<std::vector<JudgementPlacing>> JudgementBook::PlacingsOf(
    const std::vector<v1::Comparison>& comparisons) {
  std::vector<JudgementPlacing> placings(comparisons.size(),
                                         JudgementPlacing::kNew);
  if (std::none_of(comparisons.begin(), comparisons.end(), HasKey)) {
    return placings;
  }
  RLHF_RETURN_IF_ERROR(CatchUp().status());
  for (size_t i = 0; i < comparisons.size(); ++i) {
    if (!HasKey(comparisons[i])) continue;
    RLHF_ASSIGN_OR_RETURN(const std::optional<NewestAnswer> newest,
                          FindNewest(comparisons[i]));
    placings[i] = PlaceJudgement(comparisons[i], newest);
  }
  return placings;
}

absl::StatusOr<int32_t> JudgementBook::Arrange(
    std::vector<v1::Comparison>& comparisons) {
  if (std::none_of(comparisons.begin(), comparisons.end(), HasKey)) return 0;
  RLHF_RETURN_IF_ERROR(CatchUp().status());
  // Of each key the newest so far, and the ids, of these comparisons.
  std::map<std::string, NewestAnswer> arranged;
  std::set<std::string> taken;
  std::vector<v1::Comparison> kept;
  int32_t num_outdated = 0;
  for (v1::Comparison& comparison : comparisons) {
    if (HasKey(comparison)) {
      const std::string& key = comparison.judgement_key();
      std::optional<NewestAnswer> newest;
      if (const auto found = arranged.find(key); found != arranged.end()) {
        newest = found->second;
      } else {
        RLHF_ASSIGN_OR_RETURN(newest, FindNewest(comparison));
      }
      const JudgementPlacing placing = PlaceJudgement(comparison, newest);
      if (placing == JudgementPlacing::kOutdated) {
        ++num_outdated;
        continue;
      }
      if (placing == JudgementPlacing::kSame) {
        comparison.set_comparison_id(newest->comparison_id);
      } else {
        RLHF_ASSIGN_OR_RETURN(const std::string id, FreeId(comparison, taken));
        comparison.set_comparison_id(id);
      }
      taken.insert(comparison.comparison_id());
      arranged[key] = {comparison.comparison_id(), comparison.judged_unix_ms()};
    }
    kept.push_back(std::move(comparison));
  }
  comparisons = std::move(kept);
  return num_outdated;
}

absl::StatusOr<int32_t> JudgementBook::ReplaceOlder() { return CatchUp(); }

absl::StatusOr<int32_t> JudgementBook::CatchUp() {
  const int64_t last = store_->GetTotals().num_comparisons;
  RLHF_RETURN_IF_ERROR(store_->ForEach(
      next_seq_, last, [this](const v1::Comparison& row) -> absl::Status {
        RLHF_RETURN_IF_ERROR(Note(row));
        next_seq_ = row.seq() + 1;
        return absl::OkStatus();
      }));
  next_seq_ = last + 1;
  RLHF_ASSIGN_OR_RETURN(const int64_t num_replaced,
                        store_->Replace(replacements_));
  replacements_.clear();
  return static_cast<int32_t>(num_replaced);
}

absl::Status JudgementBook::Note(const v1::Comparison& row) {
  if (!HasKey(row)) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> older,
                        NewestOf(row));
  if (older.has_value()) replacements_.push_back({older->seq(), row.seq()});
  newest_[Xxh3(row.judgement_key())] = row.seq();
  return absl::OkStatus();
}

absl::StatusOr<std::optional<v1::Comparison>> JudgementBook::NewestOf(
    const v1::Comparison& comparison) const {
  const auto found = newest_.find(Xxh3(comparison.judgement_key()));
  if (found == newest_.end()) return std::nullopt;
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Comparison> rows,
                        store_->Read(found->second, found->second));
  // One that was retracted has no key any more, and a hash is no proof.
  if (rows.empty() ||
      rows.front().judgement_key() != comparison.judgement_key()) {
    return std::nullopt;
  }
  return std::move(rows.front());
}

absl::StatusOr<std::optional<NewestAnswer>> JudgementBook::FindNewest(
    const v1::Comparison& comparison) const {
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> newest,
                        NewestOf(comparison));
  if (!newest.has_value()) return std::nullopt;
  return NewestAnswer{newest->comparison_id(), newest->judged_unix_ms()};
}

absl::StatusOr<std::string> JudgementBook::FreeId(
    const v1::Comparison& comparison,
    const std::set<std::string>& taken) const {
  const std::string base(BaseComparisonId(comparison.comparison_id()));
  std::string id = base;
  for (int number = 2;; ++number) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(id));
    const bool is_taken = taken.contains(id);
    if (!stored.has_value() && !is_taken) return id;
    // What a person took back stays so, and what says the same under no key may
    // stand for it.
    const bool is_replaced =
        is_taken || stored->replaced_by() > 0 ||
        stored->judgement_key() == comparison.judgement_key();
    if (!is_replaced) return id;
    id = absl::StrCat(base, kRevision, number);
  }
}

}  // namespace rlhf
