// Comparisons for tests of the batch gate.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "feedback/batch/batch_evidence.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// English text of `words` words that shares no three words in a row with that
// of another `seed` but by chance.
inline std::string FixtureText(int seed, int words) {
  // In no other language.
  static const char* const kCommon[] = {"the",  "and",  "that", "you",
                                        "with", "this", "they", "from"};
  std::string text;
  for (int i = 0; i < words; ++i) {
    if (i % 2 == 0) {
      absl::StrAppend(&text, kCommon[(seed + i * 3) % 8], " ");
    } else {
      absl::StrAppend(&text, "zq", (seed * 7919 + i * i * 31) % 99'991, " ");
    }
  }
  return text;
}

// Number `seed`: 12 words of prompt, 20 and 30 words of responses.
inline v1::Comparison FixtureComparison(int seed, const std::string& worker,
                                        v1::Choice choice) {
  v1::Comparison comparison;
  comparison.set_comparison_id(absl::StrCat("c", seed, "-", worker));
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content(FixtureText(3 * seed, 12));
  comparison.set_response_a(FixtureText(3 * seed + 1, 20));
  comparison.set_response_b(FixtureText(3 * seed + 2, 30));
  comparison.set_choice(choice);
  if (choice == v1::A_BETTER || choice == v1::B_BETTER) {
    comparison.set_strength(1);
  }
  comparison.set_worker_id(worker);
  comparison.set_worker_seconds(30);
  comparison.set_sides_known(true);
  return comparison;
}

// A log that comparisons are added to.
struct FixtureLog {
  void Add(const v1::Comparison& comparison) {
    const ComparisonKey key = KeyOf(comparison);
    index.Add(key, NearKeyOf(comparison, key.pair));
    profile.Add(TraitsOf(comparison));
  }
  BatchBackground background() const {
    return {.index = &index, .profile = &profile};
  }

  ComparisonIndex index{1024};
  LogProfile profile;
};

// What is measured of comparisons without a PM.
inline BatchEvidence Measured(const std::vector<v1::Comparison>& comparisons,
                              const BatchBackground& background) {
  std::vector<BatchItem> items;
  for (const v1::Comparison& comparison : comparisons) {
    items.push_back({.comparison = &comparison});
  }
  return MeasureBatch(items, background);
}

}  // namespace rlhf
