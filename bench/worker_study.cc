// What bad workers cost a PM, with the worker model and without it.
//
//     worker_study [SEEDS] [TRAINING_PAIRS] [HELD_OUT_PAIRS] [WORKERS]
//
// The crowd is simulated_crowd.h's. Its workers take comparisons in turn, each
// response on either side as often; a fifth of the workers always say the
// opposite of what they think (adversarial), or click at random. Held out are
// comparisons by good workers alone; beside the accuracy on them stands how
// often a PM finds the better one of the two, as it is known here. All
// conditions of a seed have the same sequences and the same good answers.
// Prints JSON: means over the seeds, and the paired difference to the clean
// crowd without the worker model with its standard error. One seed's difference
// strays by about half a point, so 32 seeds tell a tenth of one. Seeds run at
// once, as many as there are cores.
#include <ATen/Parallel.h>

#include <cmath>
#include <functional>
#include <iostream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/simulated_crowd.h"
#include "bench/study_rounds.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "trainer/preference/worker_model.h"
#include "trainer/preference/worker_pass.h"

namespace rlhf {
namespace {

struct Setting {
  int64_t seeds = 32;
  int64_t training_pairs = 4000;
  int64_t held_out_pairs = 10000;
  int64_t workers = 20;
};

enum class Bad { kNobody, kAdversarial, kRandom };

constexpr int64_t kOneIn = 5;

const std::map<Bad, std::string>& Names() {
  static const auto* const names =
      new std::map<Bad, std::string>{{Bad::kNobody, "clean"},
                                     {Bad::kAdversarial, "adversarial"},
                                     {Bad::kRandom, "random"}};
  return *names;
}

bool IsBad(int64_t worker) { return worker % kOneIn == 0; }

// Gives the comparisons to workers; a fifth of them is `bad`.
std::vector<PmExample> Judged(std::vector<PmExample> examples, Bad bad,
                              int64_t workers, uint64_t seed) {
  for (size_t i = 0; i < examples.size(); ++i) {
    PmExample& example = examples[i];
    const int64_t worker = static_cast<int64_t>(i) % workers;
    example.worker = absl::StrCat("w", worker);
    example.chosen_side = Uniform(MixHash(seed, 2 * i)) < 0.5 ? 1 : -1;
    const bool turned =
        IsBad(worker) &&
        (bad == Bad::kAdversarial ||
         (bad == Bad::kRandom && Uniform(MixHash(seed, 2 * i + 1)) < 0.5));
    if (!turned) continue;
    std::swap(example.chosen, example.rejected);
    example.chosen_side = -example.chosen_side;
  }
  return examples;
}

// What one PM is worth.
struct Outcome {
  double accuracy = 0;
  double truth = 0;
  // Mean temperatures; 0 without the worker model.
  double good_temperature = 0;
  double bad_temperature = 0;
};

void AddTemperatures(const WorkerModel& model, Outcome& outcome) {
  double good = 0, bad = 0;
  for (const auto& [worker, traits] : model) {
    (IsBad(std::stoll(worker.substr(1))) ? bad : good) += 1;
  }
  for (const auto& [worker, traits] : model) {
    if (IsBad(std::stoll(worker.substr(1)))) {
      outcome.bad_temperature += traits.temperature / bad;
    } else {
      outcome.good_temperature += traits.temperature / good;
    }
  }
}

Outcome TrainAndMeasure(std::vector<PmExample> training, bool worker_model,
                        const std::vector<PmExample>& held_out, uint64_t seed) {
  Outcome outcome;
  if (worker_model) {
    const auto model = FitWorkersByHalves(
        training, []() -> absl::StatusOr<Transformer> { return SmallPm(); },
        StudyTraining(seed), [](double) { return true; });
    RLHF_CHECK(model.ok()) << model.status();
    AddTemperatures(*model, outcome);
    training = ApplyWorkerModel(*model, std::move(training));
  }
  const std::vector<MeasuredPair> pairs =
      TrainAndScore(training, held_out, seed);
  const auto count = static_cast<double>(pairs.size());
  for (size_t i = 0; i < pairs.size(); ++i) {
    const bool chosen_is_better =
        Worth(held_out[i].chosen) > Worth(held_out[i].rejected);
    outcome.accuracy += pairs[i].margin() > 0 ? 1 / count : 0;
    outcome.truth +=
        (pairs[i].margin() > 0) == chosen_is_better ? 1 / count : 0;
  }
  return outcome;
}

double Mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

// Mean, and its standard error.
Json Describe(const std::vector<double>& values) {
  const double mean = Mean(values);
  const auto count = static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  const double error = count > 1 ? std::sqrt(squares / (count - 1) / count) : 0;
  return {{"mean", mean}, {"standard_error", error}};
}

// Who is bad, and whether the worker model is used.
using Condition = std::pair<Bad, bool>;
using Outcomes = std::map<Condition, std::vector<Outcome>>;

std::vector<double> Values(const std::vector<Outcome>& outcomes,
                           double Outcome::*field) {
  std::vector<double> values;
  for (const Outcome& outcome : outcomes) values.push_back(outcome.*field);
  return values;
}

Json Summary(const Outcomes& outcomes) {
  Json rows = Json::array();
  const std::vector<Outcome>& clean = outcomes.at({Bad::kNobody, false});
  for (const auto& [condition, found] : outcomes) {
    Json row = {{"bad_workers", Names().at(condition.first)},
                {"worker_model", condition.second}};
    const std::pair<const char*, double Outcome::*> fields[] = {
        {"accuracy", &Outcome::accuracy}, {"truth", &Outcome::truth}};
    for (const auto& [name, field] : fields) {
      std::vector<double> cost = Values(clean, field);
      const std::vector<double> values = Values(found, field);
      for (size_t i = 0; i < cost.size(); ++i) {
        cost[i] = 100 * (cost[i] - values[i]);
      }
      row[name] = Describe(values);
      row[absl::StrCat(name, "_cost_points")] = Describe(cost);
    }
    if (condition.second) {
      row["good_temperature"] = Mean(Values(found, &Outcome::good_temperature));
      row["bad_temperature"] = Mean(Values(found, &Outcome::bad_temperature));
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

std::map<Condition, Outcome> MakeRound(const Setting& setting, int number) {
  at::set_num_threads(1);  // of this thread
  const auto seed = [number](uint64_t use) {
    return MixHash(MixHash(29, static_cast<uint64_t>(number)), use);
  };
  const std::vector<PmExample> held_out =
      Crowd(setting.held_out_pairs, seed(1), 0);
  const std::vector<PmExample> good = Crowd(setting.training_pairs, seed(2), 0);
  std::map<Condition, Outcome> found;
  for (const auto& [bad, name] : Names()) {
    for (const bool worker_model : {false, true}) {
      const Outcome outcome =
          TrainAndMeasure(Judged(good, bad, setting.workers, seed(3)),
                          worker_model, held_out, seed(4));
      std::cerr << absl::StrCat(
          "seed ", number + 1, ", ", name,
          worker_model ? " with: " : " without: ", outcome.accuracy, "\n");
      found[{bad, worker_model}] = outcome;
    }
  }
  return found;
}

int Main(int argc, char** argv) {
  Setting setting;
  int64_t* const fields[] = {&setting.seeds, &setting.training_pairs,
                             &setting.held_out_pairs, &setting.workers};
  for (int i = 1; i < argc && i <= 4; ++i) *fields[i - 1] = std::stoll(argv[i]);
  std::vector<std::map<Condition, Outcome>> rounds(
      static_cast<size_t>(setting.seeds));
  RunRounds(static_cast<int>(setting.seeds), [&](int number) {
    rounds[static_cast<size_t>(number)] = MakeRound(setting, number);
  });
  Outcomes outcomes;
  for (const std::map<Condition, Outcome>& round : rounds) {
    for (const auto& [condition, outcome] : round) {
      outcomes[condition].push_back(outcome);
    }
  }
  std::cout << DumpJson({{"seeds", setting.seeds},
                         {"training_pairs", setting.training_pairs},
                         {"held_out_pairs", setting.held_out_pairs},
                         {"workers", setting.workers},
                         {"conditions", Summary(outcomes)}})
            << "\n";
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
