#include "cli/top_view.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "cli/human_format.h"
#include "cli/screen.h"
#include "trainer/run_log.h"

namespace rlhf {
namespace {

// Over which moving figures are averaged; comparisons are rarer.
constexpr absl::Duration kSpan = absl::Seconds(10);

// The number with its unit; "-" in its place while it is not known.
std::string Known(double value, int decimals, absl::string_view unit) {
  return absl::StrCat(
      std::isnan(value) ? "-" : absl::StrFormat("%.*f", decimals, value), unit);
}

std::string TokensPerSecond(const TopHistory& history) {
  return Known(
      history.RateOfRole("actor", &ProcessNumbers::generated_tokens, kSpan), 0,
      " tokens/s");
}

std::string ComparisonsPerHour(const TopHistory& history) {
  return Known(
      3600 * history.RateOfRole("feedback", &ProcessNumbers::comparisons,
                                TopHistory::kSpan),
      0, "/h");
}

// By the newest update alone: it is there at the first look.
std::string UpdatesPerMinute(const v1::LearnerStatus& learner) {
  const double seconds = UpdateSeconds(learner.last_update());
  return seconds > 0 ? absl::StrFormat("%.1f updates/min", 60 / seconds)
                     : "- updates/min";
}

// The sum over the processes of a role, or NaN if none answered.
double SumOfRole(const TopLook& look, const std::string& role,
                 double ProcessNumbers::*number) {
  double sum = std::nan("");
  for (const ProcessNumbers& process : look.processes) {
    if (!IsOfRole(process.process, role) || !process.answered.ok()) continue;
    sum = (std::isnan(sum) ? 0 : sum) + process.*number;
  }
  return sum;
}

int64_t ServingPm(const RunAnswers& answers) {
  return answers.rewards.ok() ? answers.rewards->serving().version() : 0;
}

std::string LearnerLine(const RunAnswers& answers) {
  if (!answers.learner.ok()) return "learner   no answer";
  const v1::LearnerStatus& learner = *answers.learner;
  return absl::StrCat(
      "learner   ", learner.phase().empty() ? "starting" : learner.phase(),
      "  update ", learner.update(), "/", learner.num_updates(), "  policy v",
      learner.policy_version(), "  ", UpdatesPerMinute(learner));
}

std::string RewardLine(const RunAnswers& answers) {
  const std::string pm = ServingPm(answers) == 0
                             ? "no PM yet"
                             : absl::StrCat("PM v", ServingPm(answers));
  if (!answers.learner.ok() || !answers.learner->has_last_update()) {
    return "reward    no update yet  " + pm;
  }
  const v1::UpdateReport& last = answers.learner->last_update();
  return absl::StrFormat(
      "reward    %+.3f anchored  KL %.2f nats/answer  length %.1f  %s",
      last.reward_anchored_mean(), last.kl_k1_nats_per_sequence(),
      last.response_tokens_mean(), pm);
}

std::string RolloutLine(const TopHistory& history) {
  const TopLook& look = history.latest();
  std::string line = absl::StrCat("rollouts  ", TokensPerSecond(history));
  if (look.answers.learner.ok()) {
    const v1::LearnerStatus& learner = *look.answers.learner;
    absl::StrAppend(&line, "  accepted ", learner.rollouts_accepted(), "/",
                    learner.rollouts_wanted());
    if (learner.has_last_update()) {
      absl::StrAppendFormat(&line, "  staleness %.1f mean, %d most",
                            learner.last_update().staleness_mean(),
                            learner.last_update().staleness_max());
    }
  }
  return absl::StrCat(
      line, "  ",
      Known(SumOfRole(look, "learner", &ProcessNumbers::leases), 0, " leased"));
}

std::string ScoreLine(const TopHistory& history) {
  return absl::StrCat(
      "scores    ",
      Known(SumOfRole(history.latest(), "reward-server",
                      &ProcessNumbers::waiting),
            0, " queued"),
      "  latency p50 ", Known(history.RewardSeconds(0.5), 3, " s"), "  p99 ",
      Known(history.RewardSeconds(0.99), 3, " s"), " in the last minute");
}

std::string PeopleLine(const TopHistory& history) {
  const TopLook& look = history.latest();
  if (!look.answers.feedback.ok()) return "people    no answer";
  const v1::FeedbackStats& stats = *look.answers.feedback;
  return absl::StrCat(
      "people    ", stats.num_comparisons(), " comparisons  ",
      ComparisonsPerHour(history), "  ", stats.num_ready_tasks(),
      " tasks ready  ",
      Known(SumOfRole(look, "feedback", &ProcessNumbers::leases), 0,
            " in hands"));
}

// Restarts of a process, as `rlhf up` counts them; NaN if nobody supervises.
double RestartsOf(const TopLook& look, const std::string& process) {
  const ProcessNumbers& up = look.processes.back();
  if (!up.answered.ok() || process == up.process) return std::nan("");
  return up.supervised.Sum("rlhf_restarts_total",
                           absl::StrCat("component=\"", process, "\""));
}

// What a process does: its role's own words, or what it gets done.
std::string DoesWhat(const TopHistory& history, size_t index,
                     const std::vector<RoleAnswer>& roles) {
  const ProcessNumbers& process = history.latest().processes[index];
  if (IsOfRole(process.process, "actor")) {
    return absl::StrCat(
        Known(history.Rate(index, &ProcessNumbers::generated_tokens, kSpan), 0,
              " tokens/s"),
        absl::StrFormat(", %.0f running, %.0f waiting", process.running,
                        process.waiting));
  }
  std::string words;
  for (const RoleAnswer& role : roles) {
    if (role.role == process.process && role.status.ok()) words = role.words;
  }
  if (IsOfRole(process.process, "reward-server")) {
    absl::StrAppend(
        &words, words.empty() ? "" : ", ",
        Known(history.Rate(index, &ProcessNumbers::scored_dialogues, kSpan), 1,
              " scores/s"));
  }
  if (process.process == "crowd") {
    return Known(60 * history.Rate(index, &ProcessNumbers::crowd_answers,
                                   TopHistory::kSpan),
                 0, " answers/min");
  }
  return words;
}

std::string ProcessLine(const TopHistory& history, size_t index,
                        const std::vector<RoleAnswer>& roles) {
  const TopLook& look = history.latest();
  const ProcessNumbers& process = look.processes[index];
  const std::string restarts = Known(RestartsOf(look, process.process), 0, "");
  if (!process.answered.ok()) {
    return absl::StrFormat("%-16s %-7s %8s  %s", process.process, "silent",
                           restarts, process.answered.message());
  }
  const double age = absl::ToUnixSeconds(look.time) - process.start_time;
  return absl::StrFormat(
      "%-16s %-7s %8s %6s %9s %12s  %s", process.process, "runs", restarts,
      Known(100 * history.Rate(index, &ProcessNumbers::cpu_seconds,
                               absl::Seconds(3)),
            0, " %"),
      HumanBytes(static_cast<int64_t>(process.rss_bytes)),
      HumanSeconds(std::max(0.0, age)), DoesWhat(history, index, roles));
}

std::string Clock(absl::Time time) {
  return absl::FormatTime("%H:%M:%S", time, absl::LocalTimeZone());
}

}  // namespace

std::vector<std::string> RenderTop(const v1::RunConfig& config,
                                   const TopHistory& history, int width,
                                   int height) {
  const TopLook& look = history.latest();
  const std::vector<RoleAnswer> roles = Describe(config, look.answers);
  std::vector<std::string> lines = {
      absl::StrCat("rlhf top  run ", config.name(), "  ", Clock(look.time),
                   "  q ends"),
      LearnerLine(look.answers),
      RewardLine(look.answers),
      RolloutLine(history),
      ScoreLine(history),
      PeopleLine(history),
      "",
      absl::StrFormat("%-16s %-7s %8s %6s %9s %12s  %s", "process", "is",
                      "restarts", "CPU", "memory", "since", "does")};
  for (size_t i = 0; i < look.processes.size(); ++i) {
    lines.push_back(ProcessLine(history, i, roles));
  }
  const size_t most = static_cast<size_t>(std::max(height, 1));
  if (lines.size() > most) {
    const size_t hidden = lines.size() - most + 1;
    lines.resize(most - 1);
    lines.push_back(absl::StrCat("and ", hidden, " more lines"));
  }
  for (std::string& line : lines) line = FitColumns(line, width);
  return lines;
}

std::string TopLine(const TopHistory& history) {
  const TopLook& look = history.latest();
  double rss = 0, restarts = 0;
  for (const ProcessNumbers& process : look.processes) {
    rss += process.rss_bytes;
    const double count = RestartsOf(look, process.process);
    restarts += std::isnan(count) ? 0 : count;
  }
  return absl::StrCat(
      Clock(look.time), "  ", LearnerLine(look.answers).substr(10), "  ",
      RewardLine(look.answers).substr(10), "  ",
      RolloutLine(history).substr(10), "  ", ScoreLine(history).substr(10),
      "  ", PeopleLine(history).substr(10), "  restarts ", restarts,
      "  memory ", HumanBytes(static_cast<int64_t>(rss)));
}

}  // namespace rlhf
