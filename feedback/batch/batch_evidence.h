// What is seen in a batch of comparisons: counts, no judgement.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "feedback/batch/comparison_index.h"
#include "feedback/batch/log_profile.h"
#include "feedback/batch/seen_share.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// How answers were given, by everybody or by one worker.
struct AnswerEvidence {
  // Empty: everybody.
  std::string worker_id;
  // The left response is better; only where the sides on screen are known.
  SeenShare left;
  SeenShare longer;
  // Of the answers whose time is known.
  SeenShare too_fast;
  // Right answers to gold questions.
  SeenShare gold_right;
  // The same choice as the serving PM.
  SeenShare pm_agrees;
  // The serving PM finds the edit better than what was edited.
  SeenShare edits_agree;
  // The same choice as another worker on the same pair, in the batch or in the
  // log; one for each such worker.
  SeenShare others_agree;
  // With the one worker that they agree with most surely.
  SeenShare twin;
};

struct BatchEvidence {
  // Records of the file that could not be read.
  SeenShare malformed;

  int64_t num_comparisons = 0;
  // Was there before in the log or in the batch: the very same, or nearly; an
  // edit that the batch brings again is nearly the same.
  SeenShare exact_duplicates;
  SeenShare near_duplicates;
  SeenShare personal_data;
  // The kinds that were found, with the number of comparisons that have each.
  std::vector<std::pair<std::string, int64_t>> personal_data_kinds;
  // The lines of the first of them, where known.
  static constexpr size_t kMaxLines = 20;
  std::vector<int64_t> personal_data_lines;
  // Of the prompts whose language is known; nothing if the log knows too few.
  SeenShare other_language;

  AnswerEvidence everybody;
  // Each named worker, in order of their names.
  std::vector<AnswerEvidence> workers;

  // The log's, to hold the batch against; nothing if it is short.
  SeenShare log_longer;
  // Responses and edits longer than 99 % or shorter than 1 % of the log's
  // responses.
  SeenShare unusual_length;
  std::array<SeenShare, kNumChoiceKinds> choices;
  std::array<SeenShare, kNumChoiceKinds> log_choices;
  // Why the serving PM was not asked; empty if it was.
  std::string no_pm;
};

// The right answers to gold questions: the vote by pair (ComparisonKey).
using GoldAnswers = absl::flat_hash_map<uint64_t, int>;
// From comparisons whose choice is right; undecided ones are none.
GoldAnswers MakeGoldAnswers(const std::vector<v1::Comparison>& right);

// What a batch is held against. Nothing is owned.
struct BatchBackground {
  // Of the log without the batch.
  const ComparisonIndex* index = nullptr;
  const LogProfile* profile = nullptr;
  // Null: none.
  const GoldAnswers* gold = nullptr;
  // The log says something from so many comparisons on.
  int64_t min_log_size = 50;
  // Answers in fewer seconds are too fast.
  double min_seconds = 2;
};

// A comparison as it came.
struct BatchItem {
  const v1::Comparison* comparison = nullptr;
  // Where in the file it stands; 0: not known.
  int64_t line = 0;
  // The serving PM's score of A less that of B, where it was asked.
  std::optional<double> pm_margin;
  // And of the edit less that of the response that was edited.
  std::optional<double> edit_margin;
};

// Pure. Everything but `malformed` and `no_pm`, which are the reader's to tell.
BatchEvidence MeasureBatch(const std::vector<BatchItem>& items,
                           const BatchBackground& background);

}  // namespace rlhf
