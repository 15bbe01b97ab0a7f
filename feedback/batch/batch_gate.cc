#include "feedback/batch/batch_gate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/counted.h"

namespace rlhf {
namespace {

constexpr char kMalformed[] = "malformed";
constexpr char kDuplicates[] = "duplicates";
constexpr char kPersonalData[] = "personal_data";
constexpr char kLanguage[] = "language";
constexpr char kPosition[] = "position";
constexpr char kTooFast[] = "too_fast";
constexpr char kGold[] = "gold";
constexpr char kPmAgreement[] = "pm_agreement";
constexpr char kEditAgreement[] = "edit_agreement";
constexpr char kWorkerAgreement[] = "worker_agreement";
constexpr char kCopied[] = "copied_answers";
constexpr char kLengthPreference[] = "length_preference";
constexpr char kResponseLength[] = "response_length";
constexpr char kChoiceMix[] = "choice_mix";

std::string Percent(double share) {
  return absl::StrFormat("%.1f %%", 100 * share);
}

bool SurelyAbove(const SeenShare& share, double limit, double quantile) {
  return share.total > 0 && IntervalOf(share, quantile).low > limit;
}
bool SurelyBelow(const SeenShare& share, double limit, double quantile) {
  return share.total > 0 && IntervalOf(share, quantile).high < limit;
}

// A share of the batch that may not surely be above `limit`.
BatchFinding JudgeMost(const char* check, absl::string_view what,
                       const SeenShare& share, double limit, double quantile) {
  return {check, !SurelyAbove(share, limit, quantile),
          absl::StrCat(what, ": ", DescribeShare(share, quantile), ", at most ",
                       Percent(limit))};
}

// The first few of them: many bad workers do not fill the report.
void NameWorkers(std::vector<WorkerFinding> workers, BatchFinding& finding) {
  constexpr size_t kNamed = 5;
  workers.resize(std::min(workers.size(), kNamed));
  finding.workers = std::move(workers);
}

// A question that is asked of the whole batch, then of each of its workers.
struct AnswerCheck {
  const char* check;
  std::string what;
  std::string limit;
  SeenShare AnswerEvidence::*share;
  std::function<bool(const SeenShare&, double quantile)> crossed;
  // Why nothing is known, if nothing is.
  std::string unknown;
};

BatchFinding JudgeAnswers(const AnswerCheck& check,
                          const BatchEvidence& evidence, double quantile) {
  const SeenShare& all = evidence.everybody.*check.share;
  if (all.total == 0) {
    return {check.check, true,
            absl::StrCat(check.what, ": not checked, ", check.unknown)};
  }
  BatchFinding finding = {
      check.check, !check.crossed(all, quantile),
      absl::StrCat(check.what, ": ", DescribeShare(all, quantile), ", ",
                   check.limit)};
  std::vector<WorkerFinding> crossing;
  for (const AnswerEvidence& worker : evidence.workers) {
    const SeenShare& own = worker.*check.share;
    if (own.total == 0 || !check.crossed(own, kWorkerQuantile)) continue;
    crossing.push_back({worker.worker_id, DescribeShare(own, kWorkerQuantile)});
  }
  if (!crossing.empty()) {
    finding.passed = false;
    absl::StrAppend(&finding.detail, "; beyond it ",
                    Counted(crossing.size(), "worker"));
    NameWorkers(std::move(crossing), finding);
  }
  return finding;
}

AnswerCheck Least(const char* check, std::string what, double least,
                  SeenShare AnswerEvidence::*share, std::string unknown) {
  return {check,
          std::move(what),
          absl::StrCat("at least ", Percent(least)),
          share,
          [least](const SeenShare& seen, double quantile) {
            return SurelyBelow(seen, least, quantile);
          },
          std::move(unknown)};
}

AnswerCheck Most(const char* check, std::string what, double most,
                 SeenShare AnswerEvidence::*share, std::string unknown) {
  return {check,
          std::move(what),
          absl::StrCat("at most ", Percent(most)),
          share,
          [most](const SeenShare& seen, double quantile) {
            return SurelyAbove(seen, most, quantile);
          },
          std::move(unknown)};
}

AnswerCheck PositionCheck(const BatchLimits& limits) {
  const double bias = limits.max_position_bias;
  return {kPosition,
          "answers for the left side",
          absl::StrCat("within ", Percent(bias), " of a half"),
          &AnswerEvidence::left,
          [bias](const SeenShare& seen, double quantile) {
            return SurelyAbove(seen, 0.5 + bias, quantile) ||
                   SurelyBelow(seen, 0.5 - bias, quantile);
          },
          "nobody says which response was on the left"};
}

AnswerCheck LengthCheck(const BatchEvidence& evidence,
                        const BatchLimits& limits) {
  const double shift = limits.max_length_shift;
  const SeenShare log = evidence.log_longer;
  const bool known = log.total > 0;
  return {kLengthPreference,
          "answers for the longer response",
          known ? absl::StrCat("within ", Percent(shift), " of the log's ",
                               Percent(log.value()))
                : "not checked, the log is short",
          &AnswerEvidence::longer,
          [=](const SeenShare& seen, double quantile) {
            const Interval difference = DifferenceInterval(seen, log, quantile);
            return known &&
                   (difference.low > shift || difference.high < -shift);
          },
          "none is longer"};
}

BatchFinding JudgeDuplicates(const BatchEvidence& evidence,
                             const BatchLimits& limits) {
  SeenShare all = evidence.exact_duplicates;
  all.count += evidence.near_duplicates.count;
  BatchFinding finding = JudgeMost(kDuplicates, "were there before", all,
                                   limits.max_duplicate_share, limits.quantile);
  absl::StrAppend(&finding.detail, "; ", evidence.exact_duplicates.count,
                  " exactly, ", evidence.near_duplicates.count, " nearly");
  return finding;
}

BatchFinding JudgePersonalData(const BatchEvidence& evidence,
                               const BatchLimits& limits) {
  BatchFinding finding =
      JudgeMost(kPersonalData, "hold personal data", evidence.personal_data,
                limits.max_personal_data_share, limits.quantile);
  std::vector<std::string> kinds;
  for (const auto& [kind, count] : evidence.personal_data_kinds) {
    kinds.push_back(absl::StrCat(kind, " ", count));
  }
  if (!kinds.empty()) {
    absl::StrAppend(&finding.detail, "; ", absl::StrJoin(kinds, ", "));
  }
  const std::vector<int64_t>& lines = evidence.personal_data_lines;
  if (!lines.empty()) {
    const auto num_shown = static_cast<int64_t>(lines.size());
    absl::StrAppend(
        &finding.detail, "; in lines ", absl::StrJoin(lines, ", "),
        evidence.personal_data.count > num_shown ? " and others" : "");
  }
  return finding;
}

BatchFinding JudgeLanguage(const BatchEvidence& evidence,
                           const BatchLimits& limits) {
  if (evidence.other_language.total == 0) {
    return {kLanguage, true,
            "prompts in another language than the log's: not checked, too few "
            "are known"};
  }
  return JudgeMost(kLanguage, "prompts in another language than the log's",
                   evidence.other_language, limits.max_other_language_share,
                   limits.quantile);
}

BatchFinding JudgeResponseLength(const BatchEvidence& evidence,
                                 const BatchLimits& limits) {
  constexpr char kWhat[] = "responses of a length that is rare in the log";
  if (evidence.unusual_length.total == 0) {
    return {kResponseLength, true,
            absl::StrCat(kWhat, ": not checked, the log is short")};
  }
  return JudgeMost(kResponseLength, kWhat, evidence.unusual_length,
                   limits.max_unusual_length_share, limits.quantile);
}

BatchFinding JudgeCopies(const BatchEvidence& evidence,
                         const BatchLimits& limits) {
  const std::string most = Percent(limits.max_twin_agreement);
  std::vector<WorkerFinding> twins;
  for (const AnswerEvidence& worker : evidence.workers) {
    if (SurelyAbove(worker.twin, limits.max_twin_agreement, kWorkerQuantile)) {
      twins.push_back(
          {worker.worker_id, DescribeShare(worker.twin, kWorkerQuantile)});
    }
  }
  const bool passed = twins.empty();
  BatchFinding finding = {
      kCopied, passed,
      absl::StrCat(passed ? "no worker" : Counted(twins.size(), "worker"),
                   " surely in agreement with one other more often than ",
                   most)};
  NameWorkers(std::move(twins), finding);
  return finding;
}

BatchFinding JudgeChoiceMix(const BatchEvidence& evidence,
                            const BatchLimits& limits) {
  if (evidence.log_choices[0].total == 0) {
    return {kChoiceMix, true,
            "shares of better side, tie, both bad, skipped: not checked, the "
            "log is short"};
  }
  BatchFinding finding = {kChoiceMix, true, ""};
  std::vector<std::string> shares;
  for (int kind = 0; kind < kNumChoiceKinds; ++kind) {
    const SeenShare& own = evidence.choices[kind];
    const SeenShare& log = evidence.log_choices[kind];
    const Interval difference = DifferenceInterval(own, log, limits.quantile);
    if (difference.low > limits.max_choice_shift ||
        difference.high < -limits.max_choice_shift) {
      finding.passed = false;
    }
    shares.push_back(absl::StrCat(ChoiceKindName(static_cast<ChoiceKind>(kind)),
                                  " ", Percent(own.value()), " (log ",
                                  Percent(log.value()), ")"));
  }
  finding.detail = absl::StrCat(absl::StrJoin(shares, ", "), ", each within ",
                                Percent(limits.max_choice_shift));
  return finding;
}

// The checks that need no numbers: all that is said of a small batch.
std::vector<BatchFinding> JudgeOneByOne(const BatchEvidence& evidence) {
  return {
      {kMalformed, evidence.malformed.count == 0,
       absl::StrCat(evidence.malformed.count, " of ", evidence.malformed.total,
                    " records cannot be read; of so few none may be")},
      {kPersonalData, evidence.personal_data.count == 0,
       JudgePersonalData(evidence, {.max_personal_data_share = 0}).detail}};
}

std::vector<BatchFinding> JudgeAll(const BatchEvidence& evidence,
                                   const BatchLimits& limits) {
  const std::string no_pm =
      evidence.no_pm.empty() ? "it has not scored any" : evidence.no_pm;
  const auto answers = [&](const AnswerCheck& check) {
    return JudgeAnswers(check, evidence, limits.quantile);
  };
  return {
      JudgeMost(kMalformed, "records that cannot be read", evidence.malformed,
                limits.max_malformed_share, limits.quantile),
      JudgeDuplicates(evidence, limits),
      JudgePersonalData(evidence, limits),
      JudgeLanguage(evidence, limits),
      answers(PositionCheck(limits)),
      answers(Most(kTooFast, "answers faster than reading",
                   limits.max_too_fast_share, &AnswerEvidence::too_fast,
                   "no times are given")),
      answers(Least(kGold, "right answers to gold questions",
                    limits.min_gold_accuracy, &AnswerEvidence::gold_right,
                    "there is none among them")),
      answers(Least(kPmAgreement, "agreement with the serving PM",
                    limits.min_pm_agreement, &AnswerEvidence::pm_agrees,
                    no_pm)),
      answers(Least(kEditAgreement, "edits that the serving PM finds better",
                    limits.min_pm_agreement, &AnswerEvidence::edits_agree,
                    evidence.no_pm.empty() ? "there is none that it has scored"
                                           : evidence.no_pm)),
      answers(Least(kWorkerAgreement,
                    "agreement with other workers on the same pairs",
                    limits.min_worker_agreement, &AnswerEvidence::others_agree,
                    "no pair has two named workers")),
      JudgeCopies(evidence, limits),
      answers(LengthCheck(evidence, limits)),
      JudgeResponseLength(evidence, limits),
      JudgeChoiceMix(evidence, limits)};
}

// What is said of a small batch and those before it together.
std::vector<BatchFinding> JudgeWindow(const BatchEvidence& window,
                                      BatchLimits limits) {
  limits.quantile = kWorkerQuantile;
  std::vector<BatchFinding> findings;
  for (BatchFinding& finding : JudgeAll(window, limits)) {
    // The first two are judged one by one, the third is of pairs of workers.
    if (finding.check == kMalformed || finding.check == kPersonalData ||
        finding.check == kCopied) {
      continue;
    }
    finding.detail =
        absl::StrCat("of the last ", window.num_comparisons,
                     " from there, this batch among them: ", finding.detail);
    findings.push_back(std::move(finding));
  }
  return findings;
}

void Conclude(BatchVerdict& verdict, const std::string& accepted) {
  std::vector<std::string> failed;
  for (const BatchFinding& finding : verdict.findings) {
    if (finding.passed) continue;
    failed.push_back(finding.detail);
    verdict.kind = std::max(verdict.kind, finding.check == kMalformed
                                              ? BatchVerdictKind::kRefused
                                              : BatchVerdictKind::kQuarantined);
  }
  verdict.reason = failed.empty() ? accepted : absl::StrJoin(failed, ". ");
}

}  // namespace

BatchLimits LimitsOf(const v1::FeedbackConfig& config) {
  const v1::BatchGateConfig& gate = config.batch_gate();
  return {.min_size = gate.min_size(),
          .max_malformed_share = gate.max_malformed_share(),
          .max_duplicate_share = gate.max_duplicate_share(),
          .max_personal_data_share = gate.max_personal_data_share(),
          .max_position_bias = gate.max_position_bias(),
          .max_length_shift = gate.max_length_shift(),
          .max_choice_shift = gate.max_choice_shift(),
          .max_too_fast_share = gate.max_too_fast_share(),
          .min_pm_agreement = gate.min_pm_agreement(),
          .min_worker_agreement = gate.min_worker_agreement(),
          .max_other_language_share = gate.max_other_language_share(),
          .min_gold_accuracy = config.worker_test().good_accuracy()};
}

const char* BatchVerdictName(BatchVerdictKind kind) {
  switch (kind) {
    case BatchVerdictKind::kAccepted:
      return "accepted";
    case BatchVerdictKind::kQuarantined:
      return "quarantined";
    case BatchVerdictKind::kRefused:
      return "refused";
  }
  return "?";
}

const std::vector<std::string>& BatchChecks() {
  static const auto* const kChecks = new std::vector<std::string>{
      kMalformed,      kDuplicates,      kPersonalData, kLanguage,
      kPosition,       kTooFast,         kGold,         kPmAgreement,
      kEditAgreement,  kWorkerAgreement, kCopied,       kLengthPreference,
      kResponseLength, kChoiceMix};
  return *kChecks;
}

BatchVerdict JudgeBatch(const BatchEvidence& evidence,
                        const BatchLimits& limits) {
  if (IsSmallBatch(evidence, limits)) {
    return JudgeSmallBatch(evidence, evidence, limits);
  }
  BatchVerdict verdict = {.findings = JudgeAll(evidence, limits)};
  Conclude(verdict, absl::StrCat("nothing stands against ",
                                 evidence.num_comparisons, " comparisons"));
  return verdict;
}

bool IsSmallBatch(const BatchEvidence& evidence, const BatchLimits& limits) {
  return evidence.num_comparisons < limits.min_size &&
         evidence.malformed.total < limits.min_size;
}

BatchVerdict JudgeSmallBatch(const BatchEvidence& batch,
                             const BatchEvidence& window,
                             const BatchLimits& limits) {
  BatchVerdict verdict = {.findings = JudgeOneByOne(batch)};
  std::string accepted = absl::StrCat("nothing stands against ",
                                      batch.num_comparisons, " comparisons");
  if (window.num_comparisons < limits.min_size) {
    absl::StrAppend(&accepted, ", which are too few for shares");
  } else {
    absl::StrAppend(&accepted, ", nor against the last ",
                    window.num_comparisons, " from there");
    for (BatchFinding& finding : JudgeWindow(window, limits)) {
      verdict.suspects_those_before |= !finding.passed;
      verdict.findings.push_back(std::move(finding));
    }
  }
  Conclude(verdict, accepted);
  return verdict;
}

}  // namespace rlhf
