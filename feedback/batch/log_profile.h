// What the newest comparisons look like as a whole: what a batch is held
// against.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <string>

#include "feedback/batch/seen_share.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// The kinds of choices whose mix is watched.
enum class ChoiceKind { kDecided, kTie, kBothBad, kSkipped };
inline constexpr int kNumChoiceKinds = 4;
ChoiceKind KindOf(const v1::Comparison& comparison);
// "better side", "tie", …
const char* ChoiceKindName(ChoiceKind kind);

// Of one comparison.
struct ComparisonTraits {
  // Of the prompt (language.h).
  std::string language;
  ChoiceKind choice = ChoiceKind::kDecided;
  // 1 if the longer response is better, 0 if the shorter is, -1 if that cannot
  // be said: undecided, or equally long.
  int longer_is_better = -1;
  // Bytes.
  size_t length_a = 0;
  size_t length_b = 0;
};
ComparisonTraits TraitsOf(const v1::Comparison& comparison);

// Over the newest kWindow comparisons that were added. Thread-compatible.
class LogProfile {
 public:
  static constexpr size_t kWindow = 5000;
  // A language that so many of the prompts are in is one of the log's.
  static constexpr double kLanguageShare = 0.05;

  void Add(const ComparisonTraits& traits);

  size_t size() const { return window_.size(); }

  // Whether at least kLanguageShare of the prompts whose language is known are
  // in this one.
  bool HasLanguage(const std::string& language) const;
  // Prompts whose language is known.
  int64_t num_known_languages() const { return num_known_; }

  // How often the longer response is better.
  const SeenShare& longer_is_better() const { return longer_; }
  SeenShare ChoiceShare(ChoiceKind kind) const;

  // All but at most 1 % of the responses are at least `low` bytes long, and all
  // but 1 % at most `high`; both are within a tenth.
  struct Lengths {
    size_t low = 0;
    size_t high = 0;
  };
  Lengths UsualLengths() const;

 private:
  // Eight bins for each doubling.
  static constexpr size_t kBins = 8 * 40;

  static size_t BinOf(size_t length);
  // The bin of the response that `number` are not longer than, from 1.
  size_t BinOfNumber(int64_t number) const;
  void Count(const ComparisonTraits& traits, int by);

  std::deque<ComparisonTraits> window_;
  std::map<std::string, int64_t> languages_;
  int64_t num_known_ = 0;
  SeenShare longer_;
  std::array<int64_t, kNumChoiceKinds> choices_ = {};
  std::array<int64_t, kBins> lengths_ = {};
};

}  // namespace rlhf
