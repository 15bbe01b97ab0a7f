#include "trainer/preference/gate.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "trainer/preference/calibration.h"

namespace rlhf {
namespace {

// Pairs that show a drop of 3 points at 95 % confidence with 80 % power, for
// accuracies around 0.7.
constexpr int64_t kPairsToSeeThreePoints = 3050;

// A drop of exactly the limit passes, whatever its last binary digit.
constexpr double kRounding = 1e-9;

double Accuracy(const HeldOutResult& result) {
  return static_cast<double>(result.correct) /
         static_cast<double>(result.total);
}

std::string Describe(const HeldOutResult& result) {
  const Interval interval = WilsonInterval(result.correct, result.total);
  return absl::StrFormat("%.1f %% (%d of %d, 95 %% interval %.1f to %.1f)",
                         100 * Accuracy(result), result.correct, result.total,
                         100 * interval.low, 100 * interval.high);
}

GateVerdict DecideByAccuracy(const GateInput& input) {
  const double accuracy = Accuracy(input.candidate);
  const std::string found =
      absl::StrCat("held-out accuracy ", Describe(input.candidate));
  if (accuracy < input.min_accuracy - kRounding) {
    return {false,
            absl::StrFormat("refused: %s is below the minimum of %.1f %%",
                            found, 100 * input.min_accuracy)};
  }
  if (!input.incumbent.has_value()) {
    return {true, absl::StrFormat("promoted: %s, minimum %.1f %%; no PM serves",
                                  found, 100 * input.min_accuracy)};
  }
  const double change = accuracy - Accuracy(*input.incumbent);
  const std::string compared = absl::StrFormat(
      "%s, serving PM %s, change %+.1f points, at most -%.1f allowed", found,
      Describe(*input.incumbent), 100 * change, 100 * input.max_accuracy_drop);
  if (change < -input.max_accuracy_drop - kRounding) {
    return {false, absl::StrCat("refused: ", compared)};
  }
  return {true, absl::StrCat("promoted: ", compared)};
}

}  // namespace

GateVerdict DecidePromotion(const GateInput& input) {
  const int64_t pairs = input.candidate.total;
  RLHF_CHECK(!input.incumbent.has_value() || input.incumbent->total == pairs)
      << "candidate on " << pairs << " pairs, incumbent on "
      << input.incumbent->total;
  if (!input.losses_finite) {
    return {false, "refused: a training or evaluation loss was not finite"};
  }
  if (pairs == 0) return {false, "refused: no held-out comparisons"};

  GateVerdict verdict = DecideByAccuracy(input);
  if (pairs < kPairsToSeeThreePoints) {
    absl::StrAppendFormat(&verdict.reason,
                          " (smoke check only: %d held-out pairs; about 3,050 "
                          "are needed to see a 3-point drop)",
                          pairs);
  }
  return verdict;
}

}  // namespace rlhf
