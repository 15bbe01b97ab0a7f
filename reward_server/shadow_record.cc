#include "reward_server/shadow_record.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rlhf {
namespace {

// Ranks from 0; equal values share their mean rank.
std::vector<double> Ranks(const std::vector<double>& values) {
  std::vector<size_t> order(values.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return values[a] < values[b]; });
  std::vector<double> ranks(values.size());
  for (size_t begin = 0; begin < order.size();) {
    size_t end = begin;
    while (end < order.size() && values[order[end]] == values[order[begin]]) {
      ++end;
    }
    const double rank = static_cast<double>(begin + end - 1) / 2;
    for (; begin < end; ++begin) ranks[order[begin]] = rank;
  }
  return ranks;
}

struct Moments {
  double mean = 0, deviation = 0;
};

Moments MomentsOf(const std::vector<double>& values) {
  Moments moments;
  const auto count = static_cast<double>(values.size());
  for (const double value : values) moments.mean += value / count;
  for (const double value : values) {
    moments.deviation +=
        (value - moments.mean) * (value - moments.mean) / count;
  }
  moments.deviation = std::sqrt(moments.deviation);
  return moments;
}

std::vector<double> Side(const std::vector<ShadowScore>& scores,
                         double ShadowScore::*side) {
  std::vector<double> values;
  values.reserve(scores.size());
  for (const ShadowScore& score : scores) values.push_back(score.*side);
  return values;
}

}  // namespace

double RankCorrelation(const std::vector<ShadowScore>& scores) {
  const std::vector<double> a = Ranks(Side(scores, &ShadowScore::serving));
  const std::vector<double> b = Ranks(Side(scores, &ShadowScore::shadow));
  const Moments of_a = MomentsOf(a), of_b = MomentsOf(b);
  if (of_a.deviation == 0 || of_b.deviation == 0) return 0;
  double covariance = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    covariance += (a[i] - of_a.mean) * (b[i] - of_b.mean);
  }
  return covariance /
         (static_cast<double>(a.size()) * of_a.deviation * of_b.deviation);
}

double OrderAgreement(const std::vector<ShadowScore>& scores) {
  double agreed = 0, told_apart = 0;
  for (size_t i = 0; i < scores.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      const double serving = scores[i].serving - scores[j].serving;
      const double shadow = scores[i].shadow - scores[j].shadow;
      if (serving == 0) continue;
      ++told_apart;
      agreed += shadow == 0 ? 0.5 : (serving > 0) == (shadow > 0) ? 1 : 0;
    }
  }
  return told_apart == 0 ? 0 : agreed / told_apart;
}

void ShadowRecord::Add(int64_t version,
                       const std::vector<ShadowScore>& scores) {
  MutexLock lock(&mutex_);
  if (version != version_) scores_.clear();
  version_ = version;
  for (const ShadowScore& score : scores) {
    scores_.push_back(score);
    if (scores_.size() > kCapacity) scores_.pop_front();
  }
}

void ShadowRecord::Describe(v1::ShadowStatus& status) const {
  std::vector<ShadowScore> scores;
  {
    MutexLock lock(&mutex_);
    if (version_ != status.pm().version()) return;
    scores = {scores_.begin(), scores_.end()};
  }
  status.set_num_dialogues(static_cast<int64_t>(scores.size()));
  if (scores.empty()) return;
  status.set_rank_correlation(RankCorrelation(scores));
  status.set_agreement(OrderAgreement(scores));
  const Moments shadow = MomentsOf(Side(scores, &ShadowScore::shadow));
  const Moments serving = MomentsOf(Side(scores, &ShadowScore::serving));
  status.set_mean(shadow.mean);
  status.set_deviation(shadow.deviation);
  status.set_serving_mean(serving.mean);
  status.set_serving_deviation(serving.deviation);
}

}  // namespace rlhf
