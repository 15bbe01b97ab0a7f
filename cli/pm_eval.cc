#include "cli/pm_eval.h"

#include <iostream>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "feedback/import_export.h"
#include "reward_server/pm_slots.h"
#include "trainer/pm_data.h"
#include "trainer/preference/pair_scores.h"
#include "trainer/preference/pm_measurement.h"

namespace rlhf {
namespace {

constexpr int kCalibrationBins = 10;
constexpr int64_t kMicroBatchTokens = 4096;

// Everything decided, as pairs that only measure.
PmData AllHeldOut(const std::vector<v1::Comparison>& comparisons,
                  const LoadedPm& pm) {
  v1::PreferenceConfig config;
  config.set_held_out_share(1);
  config.set_max_tokens(static_cast<int32_t>(std::min<int64_t>(
      pm.model.config().max_positions, std::numeric_limits<int32_t>::max())));
  return MakePmData(comparisons, *pm.tokenizer, pm.format, config);
}

void PrintAccuracy(const std::string& name, int64_t num_correct,
                   int64_t num_pairs) {
  const Interval interval = WilsonInterval(static_cast<double>(num_correct),
                                           static_cast<double>(num_pairs));
  std::cout << absl::StrFormat(
      "%-28s %6.3f [%.3f, %.3f] on %d\n", name,
      num_pairs > 0
          ? static_cast<double>(num_correct) / static_cast<double>(num_pairs)
          : 0,
      interval.low, interval.high, num_pairs);
}

void PrintTable(const PmMeasurement& found) {
  const Calibration& calibration = found.calibration;
  PrintAccuracy("accuracy", calibration.num_correct, calibration.num_pairs);
  std::cout << absl::StrFormat(
      "%-28s %6.3f nats\n%-28s %6.3f [%.3f, %.3f]\n%-28s %6.3f [%.3f, %.3f]\n"
      "%-28s %6.3f, loss then %.3f nats\n",
      "loss", found.loss, "expected calibration error",
      calibration.expected_calibration_error, found.ece_interval.low,
      found.ece_interval.high, "Brier score", calibration.brier,
      found.brier_interval.low, found.brier_interval.high, "best temperature",
      found.temperature, found.loss_at_temperature);
  std::cout << absl::StrFormat(
      "%-28s %6.3f, people %.3f; correlation of margin and length %+.3f\n",
      "prefers the longer response", found.prefers_longer_share,
      found.people_prefer_longer_share, found.length_correlation);
  std::cout << "\nsure of itself          right   pairs\n";
  for (const CalibrationBin& bin : calibration.bins) {
    if (bin.count == 0) continue;
    std::cout << absl::StrFormat("%14.3f %14.3f %7d\n", bin.confidence,
                                 bin.accuracy, bin.count);
  }
  std::cout << "\n";
  for (const ThresholdAccuracy& row : found.above_threshold) {
    if (row.num_pairs == 0) continue;
    PrintAccuracy(absl::StrFormat("both scores above %+.3f", row.threshold),
                  row.num_correct, row.num_pairs);
  }
  std::cout << "\n";
  for (const SliceAccuracy& slice : found.slices) {
    PrintAccuracy(absl::StrCat(slice.name, " ", slice.value), slice.num_correct,
                  slice.num_pairs);
  }
}

}  // namespace

absl::Status EvaluatePm(const std::string& model_directory,
                        const std::string& path, bool json) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  RLHF_ASSIGN_OR_RETURN(
      const ParsedComparisons parsed,
      ParseComparisons(text, path.substr(path.rfind('/') + 1)));
  RLHF_ASSIGN_OR_RETURN(const std::shared_ptr<const LoadedPm> pm,
                        LoadPm(model_directory, v1::ModelVersion()));
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
      data.held_out.size(), parsed.refused.size(),
      static_cast<int64_t>(parsed.comparisons.size() - data.held_out.size()) -
          data.num_too_long - data.num_unusable,
      data.num_too_long, data.num_unusable);
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<MeasuredPair> pairs,
      ScorePairs(pm->model, data.held_out, kMicroBatchTokens));
  const PmMeasurement found = MeasurePm(pairs, kCalibrationBins);
  if (json) {
    std::cout << DumpJson(ToJson(found)) << "\n";
  } else {
    PrintTable(found);
  }
  return absl::OkStatus();
}

}  // namespace rlhf
