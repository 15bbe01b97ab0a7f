#include "trainer/preference/pm_measurement.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr int kResamples = 1000;
constexpr int kDeciles = 10;
constexpr double kMinTemperature = 0.01, kMaxTemperature = 100;

double MeanLoss(const std::vector<double>& margins, double temperature) {
  double sum = 0;
  for (const double margin : margins) {
    const double x = margin / temperature;
    sum += std::max(-x, 0.0) + std::log1p(std::exp(-std::abs(x)));
  }
  return sum / static_cast<double>(margins.size());
}

// The loss is convex in 1 / temperature: a golden-section search over it.
double BestTemperature(const std::vector<double>& margins) {
  constexpr double kGolden = 0.6180339887498949;
  double low = 1 / kMaxTemperature, high = 1 / kMinTemperature;
  for (int i = 0; i < 100; ++i) {
    const double left = high - kGolden * (high - low);
    const double right = low + kGolden * (high - low);
    if (MeanLoss(margins, 1 / left) <= MeanLoss(margins, 1 / right)) {
      high = right;
    } else {
      low = left;
    }
  }
  return 2 / (low + high);
}

Interval MiddleOf(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto at = [&](double share) {
    return values[static_cast<size_t>(share *
                                      static_cast<double>(values.size() - 1))];
  };
  return {.low = at(0.025), .high = at(0.975)};
}

void Bootstrap(const std::vector<double>& margins, int num_bins,
               PmMeasurement& result) {
  std::mt19937_64 random(1);
  std::uniform_int_distribution<size_t> pick(0, margins.size() - 1);
  std::vector<double> eces, briers, sample(margins.size());
  for (int i = 0; i < kResamples; ++i) {
    for (double& margin : sample) margin = margins[pick(random)];
    const Calibration calibration = ComputeCalibration(sample, num_bins);
    eces.push_back(calibration.expected_calibration_error);
    briers.push_back(calibration.brier);
  }
  result.ece_interval = MiddleOf(std::move(eces));
  result.brier_interval = MiddleOf(std::move(briers));
}

double Correlation(const std::vector<double>& x, const std::vector<double>& y) {
  const auto n = static_cast<double>(x.size());
  double mean_x = 0, mean_y = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    mean_x += x[i] / n;
    mean_y += y[i] / n;
  }
  double xy = 0, xx = 0, yy = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  return xx > 0 && yy > 0 ? xy / std::sqrt(xx * yy) : 0;
}

void MeasureLengthBias(const std::vector<MeasuredPair>& pairs,
                       const std::vector<double>& margins,
                       PmMeasurement& result) {
  std::vector<double> differences;
  double unequal = 0, model_longer = 0, people_longer = 0;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const int64_t difference =
        pairs[i].chosen_tokens - pairs[i].rejected_tokens;
    differences.push_back(static_cast<double>(difference));
    if (difference == 0) continue;
    ++unequal;
    people_longer += difference > 0 ? 1 : 0;
    model_longer += (difference > 0) == (margins[i] > 0) ? 1 : 0;
  }
  result.length_correlation = Correlation(margins, differences);
  if (unequal == 0) return;
  result.prefers_longer_share = model_longer / unequal;
  result.people_prefer_longer_share = people_longer / unequal;
}

std::vector<ThresholdAccuracy> AboveThresholds(
    const std::vector<MeasuredPair>& pairs) {
  std::vector<double> scores;
  for (const MeasuredPair& pair : pairs) {
    scores.push_back(pair.chosen_score);
    scores.push_back(pair.rejected_score);
  }
  std::sort(scores.begin(), scores.end());
  std::vector<ThresholdAccuracy> result;
  for (size_t decile = 0; decile < kDeciles; ++decile) {
    ThresholdAccuracy& row = result.emplace_back();
    row.threshold = scores[decile * scores.size() / kDeciles];
    for (const MeasuredPair& pair : pairs) {
      if (std::min(pair.chosen_score, pair.rejected_score) < row.threshold) {
        continue;
      }
      ++row.num_pairs;
      row.num_correct += pair.margin() > 0 ? 1 : 0;
    }
  }
  return result;
}

std::vector<SliceAccuracy> Slices(const std::vector<MeasuredPair>& pairs) {
  std::map<std::pair<std::string, std::string>, SliceAccuracy> by_slice;
  for (const MeasuredPair& pair : pairs) {
    for (const auto& [name, value] : pair.slices) {
      SliceAccuracy& slice = by_slice[{name, value}];
      slice.name = name;
      slice.value = value;
      ++slice.num_pairs;
      slice.num_correct += pair.margin() > 0 ? 1 : 0;
    }
  }
  std::vector<SliceAccuracy> slices;
  for (auto& [key, slice] : by_slice) slices.push_back(std::move(slice));
  return slices;
}

PmAgreement AgreementOf(const std::vector<MeasuredPair>& pairs) {
  std::vector<WorkerChoice> choices;
  for (const MeasuredPair& pair : pairs) {
    choices.push_back({.worker = pair.worker,
                       .pair = pair.pair,
                       .first_chosen = pair.first_chosen,
                       .pm_agrees = pair.margin() > 0});
  }
  return MeasureAgreement(choices);
}

ScoreTranches TranchesOf(const std::vector<MeasuredPair>& pairs) {
  std::vector<TranchePair> scored;
  for (const MeasuredPair& pair : pairs) {
    scored.push_back({.tranche = pair.tranche,
                      .chosen_score = pair.chosen_score,
                      .rejected_score = pair.rejected_score});
  }
  return MeasureTranches(scored);
}

Json IntervalJson(const Interval& interval) {
  return Json::array({interval.low, interval.high});
}

Json AccuracyJson(int64_t num_correct, int64_t num_pairs) {
  const auto pairs = static_cast<double>(num_pairs);
  const auto correct = static_cast<double>(num_correct);
  return {{"num_pairs", num_pairs},
          {"accuracy", num_pairs > 0 ? correct / pairs : 0},
          {"accuracy_95", IntervalJson(WilsonInterval(correct, pairs))}};
}

}  // namespace

PmMeasurement MeasurePm(const std::vector<MeasuredPair>& pairs, int num_bins) {
  std::vector<double> margins;
  for (const MeasuredPair& pair : pairs) margins.push_back(pair.margin());
  PmMeasurement result;
  result.calibration = ComputeCalibration(margins, num_bins);
  if (pairs.empty()) return result;
  Bootstrap(margins, num_bins, result);
  result.loss = MeanLoss(margins, 1);
  result.temperature = BestTemperature(margins);
  result.loss_at_temperature = MeanLoss(margins, result.temperature);
  MeasureLengthBias(pairs, margins, result);
  result.above_threshold = AboveThresholds(pairs);
  result.slices = Slices(pairs);
  result.agreement = AgreementOf(pairs);
  result.tranches = TranchesOf(pairs);
  return result;
}

Json ToJson(const PmMeasurement& measurement) {
  const Calibration& calibration = measurement.calibration;
  Json json = AccuracyJson(calibration.num_correct, calibration.num_pairs);
  json.update(
      {{"loss_nats", measurement.loss},
       {"expected_calibration_error", calibration.expected_calibration_error},
       {"expected_calibration_error_95",
        IntervalJson(measurement.ece_interval)},
       {"brier", calibration.brier},
       {"brier_95", IntervalJson(measurement.brier_interval)},
       {"temperature", measurement.temperature},
       {"loss_at_temperature_nats", measurement.loss_at_temperature},
       {"length_correlation", measurement.length_correlation},
       {"prefers_longer_share", measurement.prefers_longer_share},
       {"people_prefer_longer_share", measurement.people_prefer_longer_share}});
  for (const CalibrationBin& bin : calibration.bins) {
    json["calibration"].push_back({{"num_pairs", bin.count},
                                   {"confidence", bin.confidence},
                                   {"accuracy", bin.accuracy}});
  }
  for (const ThresholdAccuracy& row : measurement.above_threshold) {
    Json entry = AccuracyJson(row.num_correct, row.num_pairs);
    entry["threshold"] = row.threshold;
    json["above_threshold"].push_back(std::move(entry));
  }
  for (const SliceAccuracy& slice : measurement.slices) {
    json["slices"][slice.name][slice.value] =
        AccuracyJson(slice.num_correct, slice.num_pairs);
  }
  json["agreement"] = ToJson(measurement.agreement);
  json["scores"] = ToJson(measurement.tranches);
  return json;
}

}  // namespace rlhf
