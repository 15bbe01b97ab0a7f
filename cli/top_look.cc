#include "cli/top_look.h"

#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr absl::Duration kRewardSpan = absl::Minutes(1);

// The same process, still running.
bool IsSame(const ProcessNumbers& a, const ProcessNumbers& b) {
  return a.answered.ok() && b.answered.ok() && a.start_time == b.start_time;
}

}  // namespace

bool IsOfRole(const std::string& process, const std::string& role) {
  return process == role || absl::StartsWith(process, role + "-");
}

std::vector<MetricsTarget> MetricsTargetsOf(const v1::RunConfig& config) {
  std::vector<MetricsTarget> targets;
  // The first of a role has a port of its own, the others one of a range.
  const auto add = [&](const std::string& role, int count, int first_port,
                       int others_from) {
    for (int i = 0; i < count; ++i) {
      targets.push_back(
          {i == 0 ? role : absl::StrCat(role, "-", i),
           absl::StrCat("127.0.0.1:", i == 0 ? first_port : others_from + i)});
    }
  };
  add("learner", config.learner().num_ranks(), config.learner().metrics_port(),
      config.learner().rank_metrics_port());
  add("actor", config.up().num_actors(), config.actor().metrics_port(),
      config.up().actor_metrics_port());
  add("reward-server", config.up().num_reward_servers(),
      config.reward_server().metrics_port(),
      config.up().reward_server_metrics_port());
  add("refresher", 1, config.preference().metrics_port(), 0);
  targets.push_back({"feedback", config.feedback().http_address()});
  if (!config.crowd().workers().empty()) {
    add("crowd", 1, config.crowd().metrics_port(), 0);
  }
  add("up", 1, config.up().metrics_port(), 0);
  return targets;
}

ProcessNumbers NumbersOf(const std::string& process, const MetricsText& text) {
  ProcessNumbers numbers = {
      .process = process,
      .start_time = text.Sum("process_start_time_seconds"),
      .cpu_seconds = text.Sum("process_cpu_seconds_total"),
      .rss_bytes = text.Sum("process_resident_memory_bytes"),
      .generated_tokens = text.Sum("rlhf_generated_tokens_total"),
      .scored_dialogues = text.Sum("rlhf_reward_scored_total"),
      .crowd_answers = text.Sum("rlhf_crowd_answers_total"),
      .running = text.Sum("rlhf_queue_items", "queue=\"generation_running\""),
      .waiting = text.Sum("rlhf_queue_items", "queue=\"generation_waiting\"") +
                 text.Sum("rlhf_queue_items", "queue=\"reward\""),
      .leases = text.Sum("rlhf_leases_active"),
      .comparisons = text.Sum("rlhf_comparisons_stored"),
      .reward_seconds = text.Histogram("rlhf_reward_latency_seconds")};
  if (process == "up") numbers.supervised = text;
  return numbers;
}

bool AnybodyAnswers(const TopLook& look) {
  for (const ProcessNumbers& process : look.processes) {
    if (process.answered.ok()) return true;
  }
  const RunAnswers& answers = look.answers;
  return answers.learner.ok() || answers.actor_serves.ok() ||
         answers.rewards.ok() || answers.refresher.ok() ||
         answers.feedback.ok();
}

void TopHistory::Add(TopLook look) {
  if (!looks_.empty()) looks_.back().answers = RunAnswers();
  looks_.push_back(std::move(look));
  while (looks_.front().time < looks_.back().time - kSpan) looks_.pop_front();
}

double TopHistory::Rate(size_t index, double ProcessNumbers::*counter,
                        absl::Duration span) const {
  const ProcessNumbers& now = latest().processes[index];
  for (const TopLook& look : looks_) {
    if (look.time < latest().time - span || look.time >= latest().time ||
        !IsSame(look.processes[index], now)) {
      continue;
    }
    return (now.*counter - look.processes[index].*counter) /
           absl::ToDoubleSeconds(latest().time - look.time);
  }
  return kNaN;
}

double TopHistory::RateOfRole(const std::string& role,
                              double ProcessNumbers::*counter,
                              absl::Duration span) const {
  double sum = kNaN;
  for (size_t i = 0; i < latest().processes.size(); ++i) {
    if (!IsOfRole(latest().processes[i].process, role)) continue;
    const double rate = Rate(i, counter, span);
    if (!std::isnan(rate)) sum = (std::isnan(sum) ? 0 : sum) + rate;
  }
  return sum;
}

double TopHistory::RewardSeconds(double q) const {
  HistogramCounts before, after;
  for (size_t i = 0; i < latest().processes.size(); ++i) {
    const ProcessNumbers& now = latest().processes[i];
    for (const TopLook& look : looks_) {
      if (look.time < latest().time - kRewardSpan ||
          !IsSame(look.processes[i], now)) {
        continue;
      }
      for (const auto& [bound, n] : look.processes[i].reward_seconds) {
        before[bound] += n;
      }
      for (const auto& [bound, n] : now.reward_seconds) after[bound] += n;
      break;
    }
  }
  return QuantileBetween(before, after, q);
}

}  // namespace rlhf
