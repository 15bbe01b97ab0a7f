// Workers who copy from each other: they agree more than what they know
// explains.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace rlhf {

struct ItemAnswer {
  std::string worker_id;
  // Equal values are equal answers.
  int value = 0;
};

// The answers to one task, the earliest first, at most one a worker.
using ItemAnswers = std::vector<ItemAnswer>;

struct GoldTally {
  int64_t num_right = 0;
  int64_t num_asked = 0;
};

struct CopySuspicion {
  // Who answered later more often, and who earlier.
  std::string copier;
  std::string source;
  // Tasks that both answered, and those with equal answers.
  int64_t num_shared = 0;
  int64_t num_equal = 0;
  // The share of equal answers that their accuracies explain at most.
  double explained = 0;
  // Of so many equal answers or more if they worked apart.
  double p_value = 1;
};

// Gold answers that both need before anything is said, and what p-values,
// multiplied by the number of pairs looked at, must stay below.
inline constexpr int64_t kMinGoldForCopies = 10;
inline constexpr double kCopyLevel = 0.001;

// Pairs of workers that agree beyond what their accuracies on gold explain, the
// surest first.
//
// Two people who answer a task apart, right with p and q, neither
// below a half, agree with probability pq + (1-p)(1-q) <= min(p, q), whatever
// that task's p and q are. So their agreement over any tasks is at most the
// lower of their accuracies: that easy tasks are easy for both explains no
// more. That bound, with the upper end of its 95 % interval for the accuracy,
// is put to an exact binomial test.
std::vector<CopySuspicion> FindCopies(
    const std::vector<ItemAnswers>& items,
    const std::map<std::string, GoldTally>& gold);

// P(X >= num_hits) of a binomial distribution; 0 <= num_hits <= n, share in
// [0, 1].
double BinomialUpperTail(int64_t n, double share, int64_t num_hits);

}  // namespace rlhf
