#include "feedback/batch/log_profile.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/comparisons/choice.h"
#include "feedback/batch/language.h"

namespace rlhf {

ChoiceKind KindOf(const v1::Comparison& comparison) {
  if (IsDecided(comparison)) return ChoiceKind::kDecided;
  if (comparison.choice() == v1::TIE) return ChoiceKind::kTie;
  if (comparison.choice() == v1::BOTH_BAD) return ChoiceKind::kBothBad;
  return ChoiceKind::kSkipped;
}

const char* ChoiceKindName(ChoiceKind kind) {
  switch (kind) {
    case ChoiceKind::kDecided:
      return "better side";
    case ChoiceKind::kTie:
      return "tie";
    case ChoiceKind::kBothBad:
      return "both bad";
    case ChoiceKind::kSkipped:
      return "skipped";
  }
  return "?";
}

ComparisonTraits TraitsOf(const v1::Comparison& comparison) {
  std::string prompt;
  for (const v1::Message& message : comparison.prompt().messages()) {
    absl::StrAppend(&prompt, message.content(), "\n");
  }
  ComparisonTraits traits = {.language = DetectLanguage(prompt),
                             .choice = KindOf(comparison),
                             .length_a = comparison.response_a().size(),
                             .length_b = comparison.response_b().size()};
  if (IsDecided(comparison) && traits.length_a != traits.length_b) {
    const bool a_longer = traits.length_a > traits.length_b;
    traits.longer_is_better =
        a_longer == (comparison.choice() == v1::A_BETTER) ? 1 : 0;
  }
  return traits;
}

size_t LogProfile::BinOf(size_t length) {
  const double bin = 8 * std::log2(static_cast<double>(length) + 1);
  return std::min(kBins - 1, static_cast<size_t>(bin));
}

void LogProfile::Count(const ComparisonTraits& traits, int by) {
  if (traits.language != kUnknownLanguage) {
    languages_[traits.language] += by;
    num_known_ += by;
  }
  if (traits.longer_is_better >= 0) {
    longer_.count += by * traits.longer_is_better;
    longer_.total += by;
  }
  choices_[static_cast<size_t>(traits.choice)] += by;
  lengths_[BinOf(traits.length_a)] += by;
  lengths_[BinOf(traits.length_b)] += by;
}

void LogProfile::Add(const ComparisonTraits& traits) {
  if (window_.size() == kWindow) {
    Count(window_.front(), -1);
    window_.pop_front();
  }
  Count(traits, 1);
  window_.push_back(traits);
}

bool LogProfile::HasLanguage(const std::string& language) const {
  const auto found = languages_.find(language);
  return found != languages_.end() && found->second > 0 &&
         static_cast<double>(found->second) >=
             kLanguageShare * static_cast<double>(num_known_);
}

SeenShare LogProfile::ChoiceShare(ChoiceKind kind) const {
  return {.count = choices_[static_cast<size_t>(kind)],
          .total = static_cast<int64_t>(window_.size())};
}

size_t LogProfile::BinOfNumber(int64_t number) const {
  int64_t seen = 0;
  for (size_t bin = 0; bin < kBins; ++bin) {
    seen += lengths_[bin];
    if (seen >= number) return bin;
  }
  return kBins - 1;
}

LogProfile::Lengths LogProfile::UsualLengths() const {
  const auto count = static_cast<int64_t>(2 * window_.size());
  if (count == 0) return {};
  const auto edge = [](size_t bin) {
    return std::exp2(static_cast<double>(bin) / 8) - 1;
  };
  const int64_t outside = count / 100;
  return {.low = static_cast<size_t>(edge(BinOfNumber(outside + 1))),
          .high = static_cast<size_t>(edge(BinOfNumber(count - outside) + 1))};
}

}  // namespace rlhf
