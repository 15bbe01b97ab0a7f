#include "trainer/preference/gate.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "trainer/preference/calibration.h"

namespace rlhf {
namespace {

// The drop that a gate should be able to see, else it says that it cannot.
constexpr double kDropToSee = 0.03;

// Two unrelated models of accuracy 0.7 disagree on 42 % of the pairs; without
// an incumbent nothing better is known.
constexpr double kUnknownDiscordance = 0.42;

// A drop of exactly the limit passes, whatever its last binary digit.
constexpr double kRounding = 1e-9;

double Accuracy(const HeldOutResult& result) {
  return static_cast<double>(result.correct) /
         static_cast<double>(result.total);
}

std::string Describe(const HeldOutResult& result) {
  const Interval interval = WilsonInterval(result.correct, result.total);
  return absl::StrFormat(
      "%d of %d held-out pairs right (%.1f %%, 95 %% interval %.1f to %.1f)",
      result.correct, result.total, 100 * Accuracy(result), 100 * interval.low,
      100 * interval.high);
}

GateVerdict DecideByIncumbent(const GateInput& input,
                              const std::string& found) {
  const Incumbent& incumbent = *input.incumbent;
  const double change = Accuracy(input.candidate) - Accuracy(incumbent.result);
  const double chance = ProbabilityOfChance(incumbent.discordance);
  const std::string compared = absl::StrFormat(
      "%s, the serving PM got %d right (change %+.1f points, limit %+.1f; %d "
      "pairs gained, %d lost, sign test p = %.2g)",
      found, incumbent.result.correct, 100 * change,
      0 - 100 * input.max_accuracy_drop,
      incumbent.discordance.only_candidate_right,
      incumbent.discordance.only_incumbent_right, chance);
  if (change < -input.max_accuracy_drop - kRounding) {
    return {false, absl::StrCat("refused: ", compared)};
  }
  if (chance < input.significance) {
    return {false, absl::StrFormat("refused as worse than the serving PM: %s, "
                                   "p below %.2g",
                                   compared, input.significance)};
  }
  return {true, absl::StrCat("promoted: ", compared)};
}

GateVerdict DecideByAccuracy(const GateInput& input) {
  const std::string found = Describe(input.candidate);
  if (Accuracy(input.candidate) < input.min_accuracy - kRounding) {
    return {false, absl::StrFormat("refused: %s, below the minimum of %.1f %%",
                                   found, 100 * input.min_accuracy)};
  }
  if (!input.incumbent.has_value()) {
    return {true,
            absl::StrFormat("promoted: %s, minimum %.1f %%; it is the first",
                            found, 100 * input.min_accuracy)};
  }
  return DecideByIncumbent(input, found);
}

double DiscordantShare(const GateInput& input) {
  if (!input.incumbent.has_value()) return kUnknownDiscordance;
  const Discordance& found = input.incumbent->discordance;
  // The rule of succession: few pairs without disagreement do not mean none.
  return static_cast<double>(found.only_candidate_right +
                             found.only_incumbent_right + 1) /
         static_cast<double>(input.candidate.total + 2);
}

}  // namespace

GateVerdict DecidePromotion(const GateInput& input) {
  const int64_t pairs = input.candidate.total;
  RLHF_CHECK(!input.incumbent.has_value() ||
             input.incumbent->result.total == pairs)
      << "candidate on " << pairs << " pairs, incumbent on "
      << input.incumbent->result.total;
  if (!input.losses_finite) {
    return {false, "refused: a training or evaluation loss was not finite"};
  }
  if (pairs == 0) return {false, "refused: no held-out comparisons"};

  GateVerdict verdict = DecideByAccuracy(input);
  const double visible = VisibleDrop(pairs, DiscordantShare(input));
  absl::StrAppendFormat(
      &verdict.reason,
      "; %sonly real drops from %.1f points on would be noticed 4 times in 5",
      visible > kDropToSee ? "smoke check: " : "", 100 * visible);
  return verdict;
}

}  // namespace rlhf
