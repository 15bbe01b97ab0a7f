// What each worker's choices say of the preference that all share, after
// Bradley & Terry with workers of unequal reliability (Dawid & Skene 1979, J.
// R. Stat. Soc. C 28:20; Chen et al. 2013, "Pairwise ranking aggregation in a
// crowdsourced setting", WSDM). Worker k has a temperature t_k and a bias to
// the left b_k:
//
//   P(A over B) = sigmoid(t_k (r_A - r_B) + b_k s),  s = 1 if A was on the
//   left,
//                                                        -1 on the right
//
// The scale of t is the typical worker's, who has 1. Who clicks at random has
// 0; who always says the opposite, a negative one. All pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/json.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// One choice, as a PM that has not learned from it sees it.
struct ScoredAnswer {
  std::string worker;
  // r_chosen - r_rejected, log-odds.
  double margin = 0;
  // PmExample::chosen_side.
  int chosen_side = 0;
};

struct WorkerTraits {
  double temperature = 1;
  // Log-odds; above 0: the left side has an advantage.
  double left_bias = 0;
  int64_t num_answers = 0;
};

using WorkerModel = std::map<std::string, WorkerTraits>;

struct WorkerPrior {
  // Standard deviations of temperatures around 1 and of biases around the
  // workers' median: who has few answers stays near them.
  double temperature_deviation = 0.5;
  double bias_deviation = 0.5;
};

// Returns the traits of every worker that has a name: the most probable ones
// under `prior`. The margins' scale is found beside them, so that the median
// temperature, by answers, is 1. While most answers come from workers who are
// right more often than not, the others are found out. If the margins say
// nothing of what is chosen, all workers have 1 and 0. Dies on a margin that is
// not finite.
WorkerModel FitWorkers(absl::Span<const ScoredAnswer> answers,
                       const WorkerPrior& prior = {});

// The examples with their workers' temperatures and biases, without those of
// workers whose temperature is not above 0. (A negative one could teach by the
// opposite of what is said. But it may be fitted to people of another taste, or
// to somebody who lies now and then, and would then teach what nobody said.)
// Who is not in the model keeps 1 and 0.
std::vector<PmExample> ApplyWorkerModel(const WorkerModel& model,
                                        std::vector<PmExample> examples);

// Lowers loss weights so that the examples of no named worker weigh more than
// `max_share`, in (0, 1], of all; one weighs loss_weight * temperature. Where
// there are too few workers for that, all weigh as much as the least of them.
void CapWorkerShares(double max_share, std::vector<PmExample>& examples);

// For a PM's card, by falling number of answers. Cards cannot be changed, and
// workers can be forgotten: each stands under HiddenWorker of the name.
Json ToJson(const WorkerModel& model, const std::string& secret);

// The purpose of ModelRegistry::Secret that a run hides its workers with.
inline constexpr char kHiddenWorkers[] = "workers of cards";

// "w-" and 8 digits of a SHA-256 of `secret` and the name. Who has cards and no
// secret cannot try names.
std::string HiddenWorker(const std::string& worker, const std::string& secret);

}  // namespace rlhf
