#include "cli/pm_eval.h"

#include <iostream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/parse_comparisons.h"
#include "core/nn/device.h"
#include "reward_server/pm_scores.h"
#include "trainer/pm_data.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_measurement.h"

namespace rlhf {
namespace {

constexpr int64_t kMicroBatchTokens = 4096;

// Everything decided, as pairs that only measure.
PmData AllHeldOut(const std::vector<v1::Comparison>& comparisons,
                  const LoadedPm& pm) {
  v1::PreferenceConfig config;
  config.set_held_out_share(1);
  config.set_max_tokens(static_cast<int32_t>(std::min<int64_t>(
      pm.model().config().max_positions, std::numeric_limits<int32_t>::max())));
  return MakePmData(comparisons, *pm.tokenizer, pm.format, config);
}

void PrintAccuracy(const std::string& name, const Json& found) {
  std::cout << absl::StrFormat(
      "%-28s %6.3f [%.3f, %.3f] on %d\n", name, found.value("accuracy", 0.0),
      found["accuracy_95"][0].get<double>(),
      found["accuracy_95"][1].get<double>(), found.value("num_pairs", 0));
}

void PrintWithInterval(const std::string& name, const Json& found,
                       const std::string& key) {
  const Json& interval = found[key + "_95"];
  std::cout << absl::StrFormat("%-28s %6.3f [%.3f, %.3f]\n", name,
                               found.value(key, 0.0), interval[0].get<double>(),
                               interval[1].get<double>());
}

void PrintCalibration(const Json& found) {
  std::cout << "\nsure of itself          right   pairs\n";
  for (const Json& bin : found["calibration"]) {
    if (bin.value("num_pairs", 0) == 0) continue;
    std::cout << absl::StrFormat(
        "%14.3f %14.3f %7d\n", bin.value("confidence", 0.0),
        bin.value("accuracy", 0.0), bin.value("num_pairs", 0));
  }
  std::cout << "\n";
}

// A share of AgreementShare's; nothing compared is not told.
void PrintShare(const std::string& name, const Json& share) {
  if (share.value("compared", 0) == 0) return;
  std::cout << absl::StrFormat(
      "%-28s %6.3f [%.3f, %.3f] on %d of %d pairs\n", name,
      share.value("share", 0.0), share["share_95"][0].get<double>(),
      share["share_95"][1].get<double>(), share.value("compared", 0),
      share.value("num_pairs", 0));
}

void PrintAgreement(const Json& agreement) {
  if (agreement["pm_with_workers"].value("compared", 0) == 0) return;
  std::cout << absl::StrFormat(
      "\nagreement (researchers and crowdworkers in Bai et al. 2022: %.2f)\n",
      agreement.value("paper_researcher_crowdworker", 0.0));
  PrintShare("PM and workers", agreement["pm_with_workers"]);
  PrintShare("workers on the same pairs", agreement["among_workers"]);
  PrintShare("PM and them on these", agreement["pm_on_shared_pairs"]);
  for (const Json& one : agreement["workers"]) {
    const auto worker = one.value("worker", "");
    PrintShare(absl::StrCat("PM and ", worker), one["with_pm"]);
    PrintShare(absl::StrCat("others and ", worker), one["with_others"]);
  }
}

// " +0.52  +90  62.7 % [+10, +170 Elo]".
std::string GapText(const Json& tranche) {
  const Json& gap = tranche["above_first"];
  const Json& low = tranche["above_first_low"];
  const Json& high = tranche["above_first_high"];
  std::string text =
      absl::StrFormat("   %+7.3f %+5.0f %5.1f %%", gap.value("score", 0.0),
                      gap.value("elo", 0.0), 100 * gap.value("win_rate", 0.5));
  if (low.is_object() && high.is_object()) {
    absl::StrAppendFormat(&text, " [%+.0f, %+.0f Elo]", low.value("elo", 0.0),
                          high.value("elo", 0.0));
  }
  return text;
}

void PrintTranches(const Json& scores) {
  const Json& tranches = scores["tranches"];
  if (tranches.empty()) return;
  std::cout << "\nscores                         right   pairs    mean   above "
               "the first: score, Elo, win rate\n";
  for (size_t i = 0; i < tranches.size(); ++i) {
    const Json& one = tranches[i];
    std::cout << absl::StrFormat(
                     "%-28s %7.3f %7d %+7.3f", one.value("tranche", ""),
                     one.value("accuracy", 0.0), one.value("num_pairs", 0),
                     one.value("mean_score", 0.0))
              << (i > 0 ? GapText(one) : "") << "\n";
  }
}

}  // namespace

void PrintWorkerModel(const Json& workers) {
  if (workers.empty()) return;
  std::cout << "\nworker      answers  temperature  bias to the left\n";
  for (const Json& one : workers) {
    std::cout << absl::StrFormat(
        "%-11s %7d %12.2f %+17.2f%s\n", one.value("worker", ""),
        one.value("num_answers", 0), one.value("temperature", 0.0),
        one.value("left_bias", 0.0),
        one.value("temperature", 0.0) > 0 ? "" : "  left out");
  }
}

void PrintMeasurement(const Json& found) {
  PrintAccuracy("accuracy", found);
  // Of nothing held out there is no more to say.
  if (found.value("num_pairs", 0.0) == 0) return;
  std::cout << absl::StrFormat("%-28s %6.3f nats\n", "loss",
                               found.value("loss_nats", 0.0));
  PrintWithInterval("expected calibration error", found,
                    "expected_calibration_error");
  PrintWithInterval("Brier score", found, "brier");
  std::cout << absl::StrFormat(
      "%-28s %6.3f, loss then %.3f nats\n"
      "%-28s %6.3f, people %.3f; correlation of margin and length %+.3f\n",
      "best temperature", found.value("temperature", 0.0),
      found.value("loss_at_temperature_nats", 0.0),
      "prefers the longer response", found.value("prefers_longer_share", 0.0),
      found.value("people_prefer_longer_share", 0.0),
      found.value("length_correlation", 0.0));
  PrintCalibration(found);
  for (const Json& row : found["above_threshold"]) {
    if (row.value("num_pairs", 0) == 0) continue;
    PrintAccuracy(
        absl::StrFormat("both scores above %+.3f", row.value("threshold", 0.0)),
        row);
  }
  std::cout << "\n";
  for (const auto& [name, values] : found["slices"].items()) {
    for (const auto& [value, slice] : values.items()) {
      PrintAccuracy(absl::StrCat(name, " ", value), slice);
    }
  }
  // Cards of older versions have neither.
  if (found.contains("agreement")) PrintAgreement(found["agreement"]);
  if (found.contains("scores")) PrintTranches(found["scores"]);
}

absl::Status EvaluatePm(const std::string& model_directory,
                        const std::string& path, const std::string& device_name,
                        bool json) {
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("--device", device_name));
  RLHF_ASSIGN_OR_RETURN(const ParsedComparisons parsed, ReadComparisons(path));
  RLHF_ASSIGN_OR_RETURN(
      const std::shared_ptr<const LoadedPm> pm,
      LoadPm(model_directory, v1::ModelVersion(), at::kFloat, device));
  const PmData data = AllHeldOut(parsed.comparisons, *pm);
  if (data.held_out.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": none of ", parsed.comparisons.size() + parsed.refused.size(),
        " lines is a preference that the PM can read (", parsed.refused.size(),
        " name no pair, ", data.num_too_long, " are too long, ",
        data.num_unusable, " do not fit its chat format)"));
  }
  std::cerr << absl::StrFormat(
      "scoring %d pairs; left out: %d no pair, %d undecided, %d too long, %d "
      "not in the PM's chat format\n",
      data.held_out.size(), parsed.refused.size(), data.num_undecided,
      data.num_too_long, data.num_unusable);
  // By all members of the PM together, as it rewards.
  RLHF_ASSIGN_OR_RETURN(
      const PmScores scores,
      ScoreDialogues(*pm, BothSides(data.held_out), kMicroBatchTokens));
  const PmMeasurement found =
      MeasurePm(PairUp(data.held_out, scores.combined), kCalibrationBins);
  if (json) {
    std::cout << DumpJson(ToJson(found)) << "\n";
  } else {
    PrintMeasurement(ToJson(found));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
