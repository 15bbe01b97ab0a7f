#include "trainer/preference/gate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
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

// An order of fewer dialogues is chance.
constexpr int64_t kFewDialogues = 8;

// 0 whatever the sign of what it was rounded from.
double Points(double share) { return 100 * share + 0.0; }

GateFinding JudgeMinimum(const HeldOutEvidence& evidence,
                         const GateThresholds& thresholds) {
  const HeldOutResult& found = evidence.candidate;
  const Interval interval = WilsonInterval(static_cast<double>(found.correct),
                                           static_cast<double>(found.total));
  return {"accuracy", Accuracy(found) >= thresholds.min_accuracy - kRounding,
          absl::StrFormat(
              "%d of %d held-out pairs right (%.1f %%, 95 %% interval %.1f to "
              "%.1f), minimum %.1f %%",
              found.correct, found.total, Points(Accuracy(found)),
              Points(interval.low), Points(interval.high),
              Points(thresholds.min_accuracy))};
}

GateFinding JudgeDrop(const HeldOutEvidence& evidence,
                      const GateThresholds& thresholds) {
  if (!evidence.incumbent.has_value()) {
    return {"incumbent", true, "it is the first"};
  }
  const Incumbent& incumbent = *evidence.incumbent;
  const double change =
      Accuracy(evidence.candidate) - Accuracy(incumbent.result);
  const double chance = ProbabilityOfChance(incumbent.discordance);
  const bool surely_worse = chance < thresholds.significance;
  return {"incumbent",
          change >= -thresholds.max_accuracy_drop - kRounding && !surely_worse,
          absl::StrFormat(
              "the serving PM got %d right (change %+.1f points, limit %+.1f; "
              "%d pairs gained, %d lost, sign test p = %.2g%s)",
              incumbent.result.correct, Points(change),
              0 - Points(thresholds.max_accuracy_drop),
              incumbent.discordance.only_candidate_right,
              incumbent.discordance.only_incumbent_right, chance,
              surely_worse
                  ? absl::StrFormat(", below %.2g", thresholds.significance)
                  : "")};
}

// A slice that is further below than it may be, and not by chance: the level is
// divided by the number of slices that are looked at.
std::vector<GateFinding> JudgeSlices(const HeldOutEvidence& evidence,
                                     const GateThresholds& thresholds) {
  std::vector<GateFinding> findings;
  if (!evidence.incumbent.has_value()) return findings;
  std::vector<const SliceComparison*> looked_at;
  for (const SliceComparison& slice : evidence.incumbent->slices) {
    if (slice.num_pairs >= thresholds.min_slice_pairs) {
      looked_at.push_back(&slice);
    }
  }
  for (const SliceComparison* slice : looked_at) {
    const Discordance& found = slice->discordance;
    const double change = static_cast<double>(found.only_candidate_right -
                                              found.only_incumbent_right) /
                          static_cast<double>(slice->num_pairs);
    const double level =
        thresholds.significance / static_cast<double>(looked_at.size());
    const double chance = ProbabilityOfChance(found);
    findings.push_back(
        {absl::StrCat("slice ", slice->name, " ", slice->value),
         change >= -thresholds.max_slice_drop - kRounding || chance >= level,
         absl::StrFormat("%s %s: change %+.1f points on %d pairs, limit %+.1f, "
                         "sign test p = %.2g",
                         slice->name, slice->value, Points(change),
                         slice->num_pairs,
                         0 - Points(thresholds.max_slice_drop), chance)});
  }
  return findings;
}

GateFinding JudgeCalibration(const HeldOutEvidence& evidence,
                             const GateThresholds& thresholds) {
  return {"calibration",
          evidence.calibration_error_low <= thresholds.max_calibration_error,
          absl::StrFormat("expected calibration error at least %.3f, limit "
                          "%.3f",
                          evidence.calibration_error_low,
                          thresholds.max_calibration_error)};
}

GateFinding JudgeLengthBias(const HeldOutEvidence& evidence,
                            const GateThresholds& thresholds) {
  return {"length bias",
          std::abs(evidence.length_bias) <= thresholds.max_length_bias,
          absl::StrFormat("prefers the longer response %+.1f points more often "
                          "than people, limit %.1f",
                          Points(evidence.length_bias),
                          Points(thresholds.max_length_bias))};
}

double DiscordantShare(const HeldOutEvidence& evidence) {
  if (!evidence.incumbent.has_value()) return kUnknownDiscordance;
  const Discordance& found = evidence.incumbent->discordance;
  // The rule of succession: few pairs without disagreement do not mean none.
  return static_cast<double>(found.only_candidate_right +
                             found.only_incumbent_right + 1) /
         static_cast<double>(evidence.candidate.total + 2);
}

// Refused by what failed; else passed, in the words of the first `num_shown`
// findings.
GateVerdict Conclude(std::vector<GateFinding> findings, size_t num_shown) {
  std::vector<std::string> failed, shown;
  for (const GateFinding& finding : findings) {
    if (!finding.passed) failed.push_back(finding.detail);
    if (shown.size() < num_shown) shown.push_back(finding.detail);
  }
  GateVerdict verdict = {.promote = failed.empty(),
                         .findings = std::move(findings)};
  verdict.reason = failed.empty()
                       ? absl::StrCat("passed: ", absl::StrJoin(shown, "; "))
                       : absl::StrCat("refused: ", absl::StrJoin(failed, "; "));
  return verdict;
}

GateVerdict RefuseAtOnce(const std::string& detail) {
  return Conclude({{"evidence", false, detail}}, 1);
}

}  // namespace

GateVerdict DecidePromotion(const HeldOutEvidence& evidence,
                            const GateThresholds& thresholds) {
  const int64_t pairs = evidence.candidate.total;
  RLHF_CHECK(!evidence.incumbent.has_value() ||
             evidence.incumbent->result.total == pairs)
      << "candidate on " << pairs << " pairs, incumbent on "
      << evidence.incumbent->result.total;
  if (!evidence.losses_finite) {
    return RefuseAtOnce("a training or evaluation loss was not finite");
  }
  if (pairs == 0) return RefuseAtOnce("no held-out comparisons");

  std::vector<GateFinding> findings = {JudgeMinimum(evidence, thresholds),
                                       JudgeDrop(evidence, thresholds)};
  if (pairs >= thresholds.min_slice_pairs) {
    for (GateFinding& finding : JudgeSlices(evidence, thresholds)) {
      findings.push_back(std::move(finding));
    }
    findings.push_back(JudgeCalibration(evidence, thresholds));
    findings.push_back(JudgeLengthBias(evidence, thresholds));
  }
  GateVerdict verdict = Conclude(std::move(findings), 2);
  if (thresholds.significance == 0) return verdict;
  const double visible =
      VisibleDrop(pairs, DiscordantShare(evidence), thresholds.significance);
  if (visible >= 1) {
    absl::StrAppend(&verdict.reason,
                    "; smoke check: so few pairs show no drop reliably");
    return verdict;
  }
  absl::StrAppendFormat(
      &verdict.reason,
      "; %sonly real drops from %.1f points on would be noticed 4 times in 5",
      visible > kDropToSee ? "smoke check: " : "", Points(visible));
  return verdict;
}

GateVerdict DecideShadow(const ShadowEvidence& evidence,
                         const GateThresholds& thresholds) {
  std::vector<GateFinding> findings = {
      {"shadow dialogues", evidence.num_dialogues > 0,
       absl::StrFormat("beside the serving PM on %d live dialogues of %d "
                       "wanted",
                       evidence.num_dialogues, evidence.num_wanted)}};
  if (evidence.num_dialogues < kFewDialogues) {
    return Conclude(std::move(findings), 1);
  }
  findings.push_back(
      {"shadow rank correlation",
       evidence.rank_correlation >= thresholds.min_rank_correlation,
       absl::StrFormat("rank correlation %+.3f, minimum %+.3f",
                       evidence.rank_correlation,
                       thresholds.min_rank_correlation)});
  findings.push_back(
      {"shadow agreement", evidence.agreement >= thresholds.min_agreement,
       absl::StrFormat("agreement %.3f, minimum %.3f", evidence.agreement,
                       thresholds.min_agreement)});
  const double unit = std::max(evidence.serving_deviation, 1e-6);
  const double offset = (evidence.mean - evidence.serving_mean) / unit;
  const bool checked = thresholds.max_score_offset > 0;
  findings.push_back(
      {"shadow score offset",
       !checked || std::abs(offset) <= thresholds.max_score_offset,
       absl::StrFormat(
           "mean score %+.2f standard deviations from the serving "
           "PM's, %s",
           offset,
           checked ? absl::StrFormat("limit %.2f", thresholds.max_score_offset)
                   : "no limit")});
  return Conclude(std::move(findings), 4);
}

GateVerdict DecideCanary(const CanaryEvidence& evidence) {
  if (!evidence.scoring_error.empty()) {
    return Conclude({{"canary scores", false,
                      absl::StrCat("could not score a live dialogue: ",
                                   evidence.scoring_error)}},
                    1);
  }
  return Conclude(
      {{"canary updates",
        evidence.num_left_out == 0 &&
            evidence.num_updates >= evidence.num_wanted,
        absl::StrFormat("rewarded %d updates on trial, %d wanted, %d of them "
                        "diverged",
                        evidence.num_updates, evidence.num_wanted,
                        evidence.num_left_out)}},
      1);
}

}  // namespace rlhf
