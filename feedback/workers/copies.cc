#include "feedback/workers/copies.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "feedback/workers/habits.h"

namespace rlhf {
namespace {

struct PairCount {
  int64_t num_shared = 0;
  int64_t num_equal = 0;
  // Tasks that the pair's second, by name, answered after the first.
  int64_t num_second_later = 0;
};

using WorkerPair = std::pair<std::string, std::string>;

std::map<WorkerPair, PairCount> CountPairs(
    const std::vector<ItemAnswers>& items) {
  std::map<WorkerPair, PairCount> pairs;
  for (const ItemAnswers& answers : items) {
    for (size_t late = 1; late < answers.size(); ++late) {
      for (size_t early = 0; early < late; ++early) {
        const bool in_order =
            answers[early].worker_id < answers[late].worker_id;
        const ItemAnswer& first = answers[in_order ? early : late];
        const ItemAnswer& second = answers[in_order ? late : early];
        PairCount& count = pairs[{first.worker_id, second.worker_id}];
        ++count.num_shared;
        count.num_equal += first.value == second.value;
        count.num_second_later += in_order;
      }
    }
  }
  return pairs;
}

// What their accuracies explain at most; 1 if too little is known of one.
double Explained(const std::map<std::string, GoldTally>& gold,
                 const WorkerPair& pair) {
  double explained = 1;
  for (const std::string& worker : {pair.first, pair.second}) {
    const auto tally = gold.find(worker);
    if (tally == gold.end() || tally->second.num_asked < kMinGoldForCopies) {
      return 1;
    }
    const double upper =
        EstimateShare(tally->second.num_right, tally->second.num_asked).high;
    explained = std::min(explained, std::max(upper, 0.5));
  }
  return explained;
}

}  // namespace

double BinomialUpperTail(int64_t n, double share, int64_t num_hits) {
  if (num_hits <= 0) return 1;
  if (share <= 0) return 0;
  if (share >= 1) return 1;
  double sum = 0;
  for (int64_t hits = num_hits; hits <= n; ++hits) {
    const auto k = static_cast<double>(hits);
    const auto all = static_cast<double>(n);
    sum += std::exp(std::lgamma(all + 1) - std::lgamma(k + 1) -
                    std::lgamma(all - k + 1) + k * std::log(share) +
                    (all - k) * std::log1p(-share));
  }
  return std::min(sum, 1.0);
}

std::vector<CopySuspicion> FindCopies(
    const std::vector<ItemAnswers>& items,
    const std::map<std::string, GoldTally>& gold) {
  const std::map<WorkerPair, PairCount> pairs = CountPairs(items);
  const auto num_pairs = static_cast<double>(pairs.size());
  std::vector<CopySuspicion> found;
  for (const auto& [pair, count] : pairs) {
    const double explained = Explained(gold, pair);
    const double p_value =
        BinomialUpperTail(count.num_shared, explained, count.num_equal);
    if (p_value * num_pairs >= kCopyLevel) continue;
    const bool second_copies = 2 * count.num_second_later >= count.num_shared;
    found.push_back({.copier = second_copies ? pair.second : pair.first,
                     .source = second_copies ? pair.first : pair.second,
                     .num_shared = count.num_shared,
                     .num_equal = count.num_equal,
                     .explained = explained,
                     .p_value = p_value});
  }
  std::sort(found.begin(), found.end(),
            [](const CopySuspicion& a, const CopySuspicion& b) {
              return a.p_value < b.p_value;
            });
  return found;
}

}  // namespace rlhf
