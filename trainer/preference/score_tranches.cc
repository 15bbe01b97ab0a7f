#include "trainer/preference/score_tranches.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "core/base/check.h"
#include "core/comparisons/elo.h"

namespace rlhf {
namespace {

using PairsByTranche = std::map<std::string, std::vector<TranchePair>>;

double Middle(const TranchePair& pair) {
  return (pair.chosen_score + pair.rejected_score) / 2;
}

// Of the whole range of scores, at least a little wide.
std::vector<double> Edges(const PairsByTranche& by_tranche) {
  double low = 0, high = 0;
  bool any = false;
  for (const auto& [name, pairs] : by_tranche) {
    for (const TranchePair& pair : pairs) {
      for (const double score : {pair.chosen_score, pair.rejected_score}) {
        RLHF_CHECK(std::isfinite(score)) << score;
        low = any ? std::min(low, score) : score;
        high = any ? std::max(high, score) : score;
        any = true;
      }
    }
  }
  if (!any) return {};
  if (high - low < 1e-6) {
    low -= 0.5;
    high += 0.5;
  }
  std::vector<double> edges;
  for (int i = 0; i <= kScoreBins; ++i) {
    edges.push_back(low + (high - low) * i / kScoreBins);
  }
  return edges;
}

size_t BinOf(double score, const std::vector<double>& edges) {
  const double share = (score - edges.front()) / (edges.back() - edges.front());
  return std::min(static_cast<size_t>(share * kScoreBins),
                  static_cast<size_t>(kScoreBins - 1));
}

TrancheScores Describe(const std::string& name,
                       const std::vector<TranchePair>& pairs,
                       const std::vector<double>& edges) {
  TrancheScores found = {.name = name,
                         .num_pairs = static_cast<int64_t>(pairs.size())};
  found.counts.resize(kScoreBins);
  for (const TranchePair& pair : pairs) {
    found.num_correct += pair.chosen_score > pair.rejected_score ? 1 : 0;
    found.mean += Middle(pair) / static_cast<double>(pairs.size());
    ++found.counts[BinOf(pair.chosen_score, edges)];
    ++found.counts[BinOf(pair.rejected_score, edges)];
  }
  return found;
}

// The variance of the mean; of one pair nothing is known.
double VarianceOfMean(const std::vector<TranchePair>& pairs, double mean) {
  if (pairs.size() < 2) return std::numeric_limits<double>::infinity();
  const auto count = static_cast<double>(pairs.size());
  double sum = 0;
  for (const TranchePair& pair : pairs) {
    sum += (Middle(pair) - mean) * (Middle(pair) - mean);
  }
  return sum / (count - 1) / count;
}

// PM score, Elo and win rate; null where the interval has no end.
Json GapJson(double gap) {
  if (!std::isfinite(gap)) return nullptr;
  return {{"score", gap},
          {"elo", EloFromPm(gap)},
          {"win_rate", WinRateFromPm(gap)}};
}

}  // namespace

ScoreTranches MeasureTranches(absl::Span<const TranchePair> pairs) {
  PairsByTranche by_tranche;
  for (const TranchePair& pair : pairs) {
    if (!pair.tranche.empty()) by_tranche[pair.tranche].push_back(pair);
  }
  ScoreTranches result = {.edges = Edges(by_tranche)};
  for (const auto& [name, theirs] : by_tranche) {
    result.tranches.push_back(Describe(name, theirs, result.edges));
  }
  std::stable_partition(
      result.tranches.begin(), result.tranches.end(),
      [](const TrancheScores& one) { return one.name == "base"; });
  for (TrancheScores& one : result.tranches) {
    const TrancheScores& first = result.tranches.front();
    if (&one == &first) continue;
    one.gap = one.mean - first.mean;
    const double error =
        std::sqrt(VarianceOfMean(by_tranche[one.name], one.mean) +
                  VarianceOfMean(by_tranche[first.name], first.mean));
    one.gap_interval = {one.gap - kQuantile95 * error,
                        one.gap + kQuantile95 * error};
  }
  return result;
}

Json ToJson(const ScoreTranches& scores) {
  Json tranches = Json::array();
  for (const TrancheScores& one : scores.tranches) {
    const auto pairs = static_cast<double>(one.num_pairs);
    const auto correct = static_cast<double>(one.num_correct);
    const Interval interval = WilsonInterval(correct, pairs);
    tranches.push_back({{"tranche", one.name},
                        {"num_pairs", one.num_pairs},
                        {"accuracy", pairs > 0 ? correct / pairs : 0},
                        {"accuracy_95", {interval.low, interval.high}},
                        {"mean_score", one.mean},
                        {"above_first", GapJson(one.gap)},
                        {"above_first_low", GapJson(one.gap_interval.low)},
                        {"above_first_high", GapJson(one.gap_interval.high)},
                        {"counts", one.counts}});
  }
  return {{"edges", scores.edges}, {"tranches", std::move(tranches)}};
}

}  // namespace rlhf
