// Which answer of the log is the newest that a person gave in a labelling tool
// to one question, so that a corrected answer takes the place of the old one.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Where a comparison stands beside the newest of its judgement_key.
enum class JudgementPlacing {
  // There is none, or it says something else and is not newer.
  kNew,
  // It is that one, which came again.
  kSame,
  // It is older.
  kOutdated,
};

struct NewestAnswer {
  std::string comparison_id;
  // As v1::Comparison.judged_unix_ms.
  int64_t judged_unix_ms = 0;
};

// Of two that say something else, the later by judged_unix_ms is the newer;
// where that is equal, or not known, the one that came later, which is
// `comparison`. Pure.
JudgementPlacing PlaceJudgement(const v1::Comparison& comparison,
                                const std::optional<NewestAnswer>& newest);

// The id without the number that tells an answer from the same answer before it
// was changed and changed back: "import-x" of "import-x-r2". Pure.
absl::string_view BaseComparisonId(absl::string_view comparison_id);

// Comparisons without a judgement_key are passed over. Of those with one it
// holds a hash and a number each, some 30 bytes; the first use reads the whole
// log. Thread-compatible; errors of all methods are those of the store.
class JudgementBook {
 public:
  // The store is not owned and must outlive the book.
  explicit JudgementBook(PreferenceStore* store) : store_(store) {}

  // Where each stands beside the log.
  absl::StatusOr<std::vector<JudgementPlacing>> PlacingsOf(
      const std::vector<v1::Comparison>& comparisons);

  // Makes comparisons ready for the log: one that came again gets the id that
  // it has there; one that is new gets an id that no earlier answer has, though
  // it may say what an earlier one said; outdated ones are taken out. Returns
  // how many were.
  absl::StatusOr<int32_t> Arrange(std::vector<v1::Comparison>& comparisons);

  // After they were appended: ends each answer of the log that has a newer one.
  // Returns how many. Cut off before, the next call of any method does it.
  absl::StatusOr<int32_t> ReplaceOlder();

 private:
  // Reads what the log has more by now, and replaces what is older in it.
  absl::StatusOr<int32_t> CatchUp();
  absl::Status Note(const v1::Comparison& row);
  absl::StatusOr<std::optional<v1::Comparison>> NewestOf(
      const v1::Comparison& comparison) const;
  // NewestOf, as far as PlaceJudgement wants it.
  absl::StatusOr<std::optional<NewestAnswer>> FindNewest(
      const v1::Comparison& comparison) const;
  // An id for what its person said before, and not last; not one of `taken`.
  absl::StatusOr<std::string> FreeId(const v1::Comparison& comparison,
                                     const std::set<std::string>& taken) const;

  PreferenceStore* const store_;
  // The newest of each key, by a hash of it.
  absl::flat_hash_map<uint64_t, int64_t> newest_;
  int64_t next_seq_ = 1;
  // Not made yet.
  std::vector<PreferenceStore::Replacement> replacements_;
};

}  // namespace rlhf
