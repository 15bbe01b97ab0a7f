#include "trainer/preference/worker_model.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

constexpr int kNewtonSteps = 50;
constexpr int kScaleSteps = 30;
// Below it the margins say nothing of the choices.
constexpr double kLeastScale = 0.02;

double Sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

struct Traits {
  double temperature = 1;
  double bias = 0;
};

// Independent normal distributions.
struct Prior {
  Traits mean;
  Traits deviation;
};

// The logarithm of the posterior, up to a constant, with its derivatives.
struct Posterior {
  double value = 0;
  double slope_t = 0, slope_b = 0;
  double curve_tt = 0, curve_tb = 0, curve_bb = 0;
};

Posterior At(const Traits& at, const std::vector<ScoredAnswer>& answers,
             double scale, const Prior& prior) {
  const double pull_t = 1 / (prior.deviation.temperature *
                             prior.deviation.temperature),
               pull_b = 1 / (prior.deviation.bias * prior.deviation.bias);
  const double off_t = at.temperature - prior.mean.temperature,
               off_b = at.bias - prior.mean.bias;
  Posterior sum = {
      .value = -0.5 * (pull_t * off_t * off_t + pull_b * off_b * off_b),
      .slope_t = -pull_t * off_t,
      .slope_b = -pull_b * off_b,
      .curve_tt = -pull_t,
      .curve_tb = 0,
      .curve_bb = -pull_b};
  for (const ScoredAnswer& answer : answers) {
    const double m = scale * answer.margin;
    const double s = answer.chosen_side;
    const double x = at.temperature * m + at.bias * s;
    sum.value += std::min(x, 0.0) - std::log1p(std::exp(-std::abs(x)));
    const double losing = Sigmoid(-x);
    const double curve = losing * (1 - losing);
    sum.slope_t += losing * m;
    sum.slope_b += losing * s;
    sum.curve_tt -= curve * m * m;
    sum.curve_tb -= curve * m * s;
    sum.curve_bb -= curve * s * s;
  }
  return sum;
}

// Newton's method on a concave function; a step that leads down is halved.
Traits Maximum(const std::vector<ScoredAnswer>& answers, double scale,
               const Prior& prior) {
  Traits at = prior.mean;
  Posterior here = At(at, answers, scale, prior);
  for (int i = 0; i < kNewtonSteps; ++i) {
    const double determinant =
        here.curve_tt * here.curve_bb - here.curve_tb * here.curve_tb;
    double step_t =
        -(here.curve_bb * here.slope_t - here.curve_tb * here.slope_b) /
        determinant;
    double step_b =
        -(here.curve_tt * here.slope_b - here.curve_tb * here.slope_t) /
        determinant;
    Traits next = {at.temperature + step_t, at.bias + step_b};
    Posterior there = At(next, answers, scale, prior);
    for (int halved = 0; there.value < here.value && halved < 60; ++halved) {
      step_t /= 2;
      step_b /= 2;
      next = {at.temperature + step_t, at.bias + step_b};
      there = At(next, answers, scale, prior);
    }
    if (there.value < here.value) break;
    at = next;
    here = there;
    if (std::abs(step_t) + std::abs(step_b) < 1e-9) break;
  }
  return at;
}

// The value below which half of the weight lies; the middle of two if exactly
// half lies below the second.
double WeightedMedian(std::vector<std::pair<double, double>> values) {
  std::sort(values.begin(), values.end());
  double total = 0, below = 0;
  for (const auto& [value, weight] : values) total += weight;
  for (size_t i = 0; i < values.size(); ++i) {
    below += values[i].second;
    if (below > total / 2) return values[i].first;
    if (below == total / 2 && i + 1 < values.size()) {
      return (values[i].first + values[i + 1].first) / 2;
    }
  }
  return 0;
}

using AnswersByWorker = std::map<std::string, std::vector<ScoredAnswer>>;

// The scale at which all workers as one have temperature 1.
double FirstScale(absl::Span<const ScoredAnswer> answers) {
  const std::vector<ScoredAnswer> all(answers.begin(), answers.end());
  double squares = 0;
  for (const ScoredAnswer& answer : all) {
    squares += answer.margin * answer.margin;
  }
  if (squares == 0) return 0;
  const double size = std::sqrt(squares / static_cast<double>(all.size()));
  // In margins of size 1 and hardly pulled anywhere.
  return Maximum(all, 1 / size,
                 {.mean = {0, 0}, .deviation = {.temperature = 10, .bias = 10}})
             .temperature /
         size;
}

WorkerModel NothingKnown(const AnswersByWorker& by_worker) {
  WorkerModel model;
  for (const auto& [worker, answers] : by_worker) {
    model[worker] = {.num_answers = static_cast<int64_t>(answers.size())};
  }
  return model;
}

// The median of what `value` says of the traits, by answers.
template <typename F>
double MedianOf(const WorkerModel& model, F&& value) {
  std::vector<std::pair<double, double>> values;
  for (const auto& [worker, traits] : model) {
    values.emplace_back(value(traits), static_cast<double>(traits.num_answers));
  }
  return WeightedMedian(std::move(values));
}

// What weighs `cap` at most leaves no one above `max_share`, if that can be:
// the heaviest j of `weights`, in falling order, are cut to the cap c = share
// (j c + all the rest).
double CapFor(double max_share, const std::vector<double>& weights,
              double others) {
  double rest = others;
  for (const double weight : weights) rest += weight;
  for (size_t j = 0; j < weights.size(); ++j) {
    const double left = 1 - static_cast<double>(j) * max_share;
    if (left <= 0) break;
    const double cap = max_share * rest / left;
    if (weights[j] <= cap) return cap;
    rest -= weights[j];
  }
  // All of them stand above what others leave them.
  const double left = 1 - static_cast<double>(weights.size()) * max_share;
  return left > 0 && others > 0 ? max_share * others / left : weights.back();
}

}  // namespace

WorkerModel FitWorkers(absl::Span<const ScoredAnswer> answers,
                       const WorkerPrior& prior) {
  AnswersByWorker by_worker;
  for (const ScoredAnswer& answer : answers) {
    RLHF_CHECK(std::isfinite(answer.margin)) << answer.margin;
    if (!answer.worker.empty()) by_worker[answer.worker].push_back(answer);
  }
  WorkerModel model = NothingKnown(by_worker);
  double scale = FirstScale(answers);
  if (model.empty() || scale <= 0) return model;
  const double first = scale;
  double typical_bias = 0;
  for (int i = 0; i < kScaleSteps; ++i) {
    for (const auto& [worker, theirs] : by_worker) {
      const Traits found = Maximum(
          theirs, scale,
          {.mean = {1, typical_bias},
           .deviation = {prior.temperature_deviation, prior.bias_deviation}});
      model[worker].temperature = found.temperature;
      model[worker].left_bias = found.bias;
    }
    const double typical =
        MedianOf(model, [](const WorkerTraits& t) { return t.temperature; });
    typical_bias =
        MedianOf(model, [](const WorkerTraits& t) { return t.left_bias; });
    scale *= typical;
    if (scale < kLeastScale * first) return NothingKnown(by_worker);
    if (std::abs(typical - 1) < 1e-4) break;
  }
  return model;
}

std::vector<PmExample> ApplyWorkerModel(const WorkerModel& model,
                                        std::vector<PmExample> examples) {
  std::vector<PmExample> kept;
  for (PmExample& example : examples) {
    const auto it = model.find(example.worker);
    if (it != model.end()) {
      if (it->second.temperature <= 0) continue;
      example.temperature = it->second.temperature;
      example.offset = it->second.left_bias * example.chosen_side;
    }
    kept.push_back(std::move(example));
  }
  return kept;
}

void CapWorkerShares(double max_share, std::vector<PmExample>& examples) {
  RLHF_CHECK(max_share > 0 && max_share <= 1) << max_share;
  if (max_share == 1) return;
  std::map<std::string, double> by_worker;
  double others = 0;
  for (const PmExample& example : examples) {
    const double weight = example.loss_weight * example.temperature;
    (example.worker.empty() ? others : by_worker[example.worker]) += weight;
  }
  std::vector<double> weights;
  for (const auto& [worker, weight] : by_worker) weights.push_back(weight);
  if (weights.empty()) return;
  std::sort(weights.rbegin(), weights.rend());
  const double cap = CapFor(max_share, weights, others);
  for (PmExample& example : examples) {
    if (example.worker.empty()) continue;
    const double weight = by_worker[example.worker];
    if (weight > cap) example.loss_weight *= cap / weight;
  }
}

Json ToJson(const WorkerModel& model, const std::string& secret) {
  std::vector<std::pair<std::string, WorkerTraits>> workers(model.begin(),
                                                            model.end());
  std::sort(workers.begin(), workers.end(), [](const auto& a, const auto& b) {
    return std::pair(b.second.num_answers, a.first) <
           std::pair(a.second.num_answers, b.first);
  });
  Json json = Json::array();
  for (const auto& [worker, traits] : workers) {
    json.push_back({{"worker", HiddenWorker(worker, secret)},
                    {"num_answers", traits.num_answers},
                    {"temperature", traits.temperature},
                    {"left_bias", traits.left_bias}});
  }
  return json;
}

std::string HiddenWorker(const std::string& worker, const std::string& secret) {
  return absl::StrCat(
      "w-", Sha256Hex(absl::StrCat(secret, "\n", worker)).substr(0, 8));
}

}  // namespace rlhf
