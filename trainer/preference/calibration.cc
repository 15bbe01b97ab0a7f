#include "trainer/preference/calibration.h"

#include <algorithm>
#include <cmath>

#include "core/base/check.h"

namespace rlhf {
namespace {

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

void AddToBins(double margin, std::vector<CalibrationBin>& bins) {
  const double confidence = Sigmoid(std::abs(margin));
  const auto size = static_cast<double>(bins.size());
  const auto index = static_cast<size_t>((confidence - 0.5) * 2 * size);
  CalibrationBin& bin = bins[std::min(index, bins.size() - 1)];
  // Sums for now; FinishBins divides.
  bin.count += 1;
  bin.confidence += confidence;
  bin.accuracy += margin > 0 ? 1 : 0;
}

void FinishBins(std::vector<CalibrationBin>& bins) {
  for (CalibrationBin& bin : bins) {
    if (bin.count == 0) continue;
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
}

}  // namespace

Calibration ComputeCalibration(absl::Span<const double> margins, int num_bins) {
  RLHF_CHECK(num_bins >= 1) << num_bins;
  Calibration result;
  result.bins.resize(num_bins);
  result.num_pairs = static_cast<int64_t>(margins.size());
  for (const double margin : margins) {
    RLHF_CHECK(std::isfinite(margin)) << margin;
    AddToBins(margin, result.bins);
    result.num_correct += margin > 0 ? 1 : 0;
    result.brier += std::pow(Sigmoid(-margin), 2);
  }
  FinishBins(result.bins);
  result.interval = WilsonInterval(result.num_correct, result.num_pairs);
  if (margins.empty()) return result;

  const auto pairs = static_cast<double>(result.num_pairs);
  result.accuracy = static_cast<double>(result.num_correct) / pairs;
  result.brier /= pairs;
  for (const CalibrationBin& bin : result.bins) {
    result.expected_calibration_error +=
        static_cast<double>(bin.count) / pairs *
        std::abs(bin.confidence - bin.accuracy);
  }
  return result;
}

}  // namespace rlhf
