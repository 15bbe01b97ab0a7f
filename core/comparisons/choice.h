// What a choice says, and to whom.
#pragma once

#include "absl/strings/match.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Whether one response is better: ties, skips and "both bad" name no winner.
inline bool IsDecided(const v1::Comparison& comparison) {
  return comparison.choice() == v1::A_BETTER ||
         comparison.choice() == v1::B_BETTER;
}

// `source` of the answers to gold questions, whose right answer was known
// before. In them A is the response that is right to prefer, wherever it was
// shown.
inline constexpr char kGoldSource[] = "gold";

inline bool IsGold(const v1::Comparison& comparison) {
  return comparison.source() == kGoldSource;
}

// Whether it came in a file: its source is "import:FILE", and so is its worker
// where the file names none. Of the log's comparisons alone, whose source the
// service sets: a file's own may say anything.
inline bool IsImported(const v1::Comparison& comparison) {
  return absl::StartsWith(comparison.source(), "import:");
}

// Whether one of our own workers judged it at one of our own tasks: at the
// page, or at its API as the crowd. Imports keep no such source.
inline bool IsJudgedHere(const v1::Comparison& comparison) {
  return comparison.source() == "page" || comparison.source() == "crowd" ||
         IsGold(comparison);
}

// Whether `shown_swapped` says what was on the left. Our own page always knew,
// and did not always say so.
inline bool KnowsSides(const v1::Comparison& comparison) {
  return comparison.sides_known() || IsJudgedHere(comparison);
}

// Whether it stands as an answer to its task: it was not retracted, and is not
// extra. What learns, rates, measures agreement or asks how many answers a task
// has takes nothing else. An extra answer was given by a person nevertheless:
// it is in exports, in what is paid, and in how much, how fast and how people
// work.
inline bool Counts(const v1::Comparison& comparison) {
  return comparison.choice() != v1::RETRACTED && !comparison.extra();
}

// Whether something may be learned from what it says. Gold questions judge the
// worker: what is right was not asked but told.
inline bool MayTeach(const v1::Comparison& comparison) {
  return Counts(comparison) && !IsGold(comparison);
}

// The same of its choice, which names the better response.
inline bool IsTrainable(const v1::Comparison& comparison) {
  return IsDecided(comparison) && MayTeach(comparison);
}

}  // namespace rlhf
