// Looks at the processes of a run, and the rates that follow from them. Pure.
#pragma once

#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "cli/metrics_text.h"
#include "cli/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// A process of a run, and where it serves /metrics.
struct MetricsTarget {
  // As `rlhf up` calls it: "actor", "actor-1", "up".
  std::string process;
  std::string address;
};

// "actor" and "actor-1" are of the role "actor".
bool IsOfRole(const std::string& process, const std::string& role);

// Every process that `rlhf up` starts for this configuration, and itself last.
std::vector<MetricsTarget> MetricsTargetsOf(const v1::RunConfig& config);

// What one process says at one time. Counters are since its start.
struct ProcessNumbers {
  std::string process;
  // Why nothing else is known; OK: it answered.
  absl::Status answered;
  double start_time = 0;  // seconds since 1970
  double cpu_seconds = 0;
  double rss_bytes = 0;
  double generated_tokens = 0;
  double scored_dialogues = 0;
  double crowd_answers = 0;
  // Sequences in an actor's engine, dialogues that wait for a reward server.
  double running = 0;
  double waiting = 0;
  // Prompts that actors sample (learner), tasks that workers have (feedback).
  double leases = 0;
  double comparisons = 0;
  HistogramCounts reward_seconds;
  // Of every process, as `up` counted them; empty but for it.
  MetricsText supervised;
};

ProcessNumbers NumbersOf(const std::string& process, const MetricsText& text);

// All of a run at one time.
struct TopLook {
  absl::Time time;
  // As MetricsTargetsOf.
  std::vector<ProcessNumbers> processes;
  RunAnswers answers;
};

// Whether any process or role answered.
bool AnybodyAnswers(const TopLook& look);

// The last looks, by which rates are known.
class TopHistory {
 public:
  // Longest time over which something is averaged.
  static constexpr absl::Duration kSpan = absl::Minutes(5);

  // Looks come in the order of their times. Of earlier ones only the numbers
  // are kept.
  void Add(TopLook look);
  // At least one look was added.
  const TopLook& latest() const { return looks_.back(); }

  // Growth a second of a counter of process `index` over at most `span`; NaN
  // while it is not known: one look, or the process was started again since.
  double Rate(size_t index, double ProcessNumbers::*counter,
              absl::Duration span) const;
  // The same summed over the processes of `role`; those of
  // which it is not known count nothing.
  double RateOfRole(const std::string& role, double ProcessNumbers::*counter,
                    absl::Duration span) const;
  // Of Score requests answered in the last minute, over all reward servers.
  double RewardSeconds(double q) const;

 private:
  std::deque<TopLook> looks_;
};

}  // namespace rlhf
