#include "cli/terminal_view.h"

#include <stdio.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "cli/human_format.h"
#include "cli/screen.h"

namespace rlhf {
namespace {

constexpr int kBarWidth = 30;
constexpr int64_t kComparisonsPerLine = 32;

int64_t UpdatesDone(const ViewState& state) {
  const int64_t logged =
      state.updates.empty() ? 0 : state.updates.back().update();
  return std::max(logged, state.learner.update());
}

std::string Eta(const ViewState& state) {
  const int64_t left = state.num_updates - UpdatesDone(state);
  if (left <= 0) return "done";
  if (state.seconds_per_update <= 0) return "eta unknown yet";
  return "eta " +
         HumanSeconds(static_cast<double>(left) * state.seconds_per_update);
}

std::string ProgressBar(double share) {
  const int filled =
      static_cast<int>(std::lround(std::clamp(share, 0.0, 1.0) * kBarWidth));
  return absl::StrCat("[", std::string(filled, '#'),
                      std::string(kBarWidth - filled, '.'), "]");
}

std::string StepLine(const ViewState& state) {
  const int64_t done = UpdatesDone(state);
  const double share =
      state.num_updates > 0
          ? static_cast<double>(done) / static_cast<double>(state.num_updates)
          : 0;
  std::string line = absl::StrCat("update    ", ProgressBar(share), " ", done,
                                  "/", state.num_updates);
  if (state.seconds_per_update > 0) {
    absl::StrAppendFormat(&line, "  %.1f/min", 60 / state.seconds_per_update);
  }
  return absl::StrCat(line, "  ", Eta(state));
}

std::string PhaseText(const ViewState& state) {
  return absl::StrCat(state.phase,
                      state.waiting_for.empty() ? "" : ": waiting for ",
                      absl::StrJoin(state.waiting_for, ", "));
}

std::string PhaseLine(const ViewState& state) {
  if (!state.phase.empty()) {
    return "phase     " + PhaseText(state);
  }
  if (state.learner.phase().empty()) return "phase     starting";
  std::string line = absl::StrCat("phase     ", state.learner.phase());
  if (state.learner.rollouts_wanted() > 0) {
    absl::StrAppend(&line, "  rollouts ", state.learner.rollouts_accepted(),
                    "/", state.learner.rollouts_wanted());
  }
  return line;
}

std::string RewardLine(const ViewState& state) {
  if (state.updates.empty()) return "reward    no update yet";
  std::vector<double> rewards;
  for (const v1::UpdateReport& update : state.updates) {
    rewards.push_back(update.reward_anchored_mean());
  }
  return absl::StrFormat("reward    %s %+.3f anchored", Sparkline(rewards, 40),
                         rewards.back());
}

std::string KlLine(const ViewState& state) {
  if (state.updates.empty()) return "KL        no update yet";
  const v1::UpdateReport& last = state.updates.back();
  return absl::StrFormat("KL        %.4f nats/token (k3 %.3f nats/sequence)",
                         last.kl_k1_nats_per_token(),
                         last.kl_k3_nats_per_sequence());
}

// The newest PM that was promoted, or null.
const v1::PmReport* ServingPm(const v1::RefreshStatus& status) {
  const v1::PmReport* serving = nullptr;
  for (const v1::PmReport& pm : status.pms()) {
    if (pm.promoted()) serving = &pm;
  }
  return serving;
}

std::string PmText(const v1::PmReport& pm) {
  return absl::StrFormat("v%d  held-out accuracy %.3f [%.3f, %.3f] on %d",
                         pm.pm().version(), pm.held_out_accuracy(),
                         pm.held_out_accuracy_low(),
                         pm.held_out_accuracy_high(), pm.num_held_out());
}

std::string PmLine(const ViewState& state) {
  const v1::PmReport* const pm = ServingPm(state.refresher);
  std::string line =
      absl::StrCat("PM        ", pm == nullptr ? "none yet" : PmText(*pm));
  if (state.refresher.phase() == "training") {
    absl::StrAppendFormat(&line, "  training %.0f %%",
                          100 * state.refresher.progress());
  }
  return line;
}

std::string ComparisonLine(const ViewState& state) {
  const int64_t num_comparisons = state.feedback.num_comparisons();
  std::string line = absl::StrCat("compare   ", num_comparisons);
  if (state.max_comparisons > 0) {
    // What was imported is none of those that are asked for.
    const int64_t num_answers = state.feedback.num_answers();
    if (num_answers != num_comparisons) {
      absl::StrAppend(&line, "  answers ", num_answers);
    }
    absl::StrAppend(&line, "/", state.max_comparisons);
  }
  const int64_t next = state.refresher.next_refresh_at();
  if (next > state.feedback.num_comparisons()) {
    absl::StrAppend(&line, "  next PM at ", next);
  } else if (next > 0) {
    absl::StrAppend(&line, state.refresher.phase() == "training"
                               ? "  next PM is being trained"
                               : "  next PM is due");
  }
  return line;
}

// "actor" of "actor-12".
std::string BaseRole(const std::string& process) {
  const size_t last = process.find_last_not_of("0123456789");
  const bool is_numbered = last != std::string::npos && process[last] == '-' &&
                           last + 1 < process.size();
  return is_numbered ? process.substr(0, last) : process;
}

std::string RoleText(const RoleLine& role) {
  std::string line =
      absl::StrFormat("  %-14s %-11s %9s", role.role, role.state,
                      role.rss_bytes > 0 ? HumanBytes(role.rss_bytes) : "");
  if (role.num_restarts > 0) {
    absl::StrAppend(&line, "  restarts ", role.num_restarts);
  }
  return line;
}

std::string UpdateText(const v1::UpdateReport& update, const ViewState& state) {
  return absl::StrFormat(
      "update %d/%d  reward %+.3f (anchored %+.3f)  kl %.4f nats/token  pm "
      "v%d  %s",
      update.update(), state.num_updates, update.reward_mean(),
      update.reward_anchored_mean(), update.kl_k1_nats_per_token(),
      update.pm().version(), Eta(state));
}

}  // namespace

std::string Sparkline(const std::vector<double>& values, int width) {
  static constexpr const char* kBars[] = {"▁", "▂", "▃", "▄",
                                          "▅", "▆", "▇", "█"};
  const size_t first =
      values.size() > static_cast<size_t>(width) ? values.size() - width : 0;
  if (values.empty()) return "";
  const auto [low, high] =
      std::minmax_element(values.begin() + first, values.end());
  std::string line;
  for (size_t i = first; i < values.size(); ++i) {
    // NaN ends at the lowest bar.
    const double height = (values[i] - *low) / (*high - *low);
    line += kBars[height > 0 ? std::min(7, static_cast<int>(height * 8)) : 0];
  }
  return line;
}

std::vector<RoleLine> Collapse(const std::vector<RoleLine>& roles) {
  constexpr int kMostLines = 3;
  std::map<std::string, int> num_processes;
  for (const RoleLine& role : roles) ++num_processes[BaseRole(role.role)];
  // By role and state: where its line is, and of how many.
  std::map<std::pair<std::string, std::string>, size_t> line_of;
  std::vector<RoleLine> lines;
  std::vector<int> counts;
  for (const RoleLine& role : roles) {
    const std::string base = BaseRole(role.role);
    const auto [place, is_new] =
        line_of.try_emplace({base, role.state}, lines.size());
    if (num_processes[base] <= kMostLines || is_new) {
      lines.push_back(role);
      counts.push_back(1);
      continue;
    }
    RoleLine& line = lines[place->second];
    line.role = absl::StrCat(base, " x", ++counts[place->second]);
    line.rss_bytes += role.rss_bytes;
    line.num_restarts += role.num_restarts;
  }
  return lines;
}

std::vector<std::string> Render(const ViewState& state, int width) {
  std::vector<std::string> lines = {
      absl::StrCat("rlhf      run ", state.run_name, "  up ",
                   HumanSeconds(state.elapsed_seconds)),
      PhaseLine(state),
      StepLine(state),
      RewardLine(state),
      KlLine(state),
      PmLine(state),
      ComparisonLine(state),
      absl::StrCat("policy    v", state.learner.policy_version()),
      absl::StrCat("page      ", state.page_url),
      "roles"};
  for (const RoleLine& role : Collapse(state.roles)) {
    lines.push_back(RoleText(role));
  }
  lines.push_back(absl::StrCat("logs      ", state.run_dir, "/logs"));
  lines.push_back(absl::StrCat("event     ", state.event));
  lines.push_back(
      "Ctrl-C stops cleanly; the same command goes on where it was.");
  for (std::string& line : lines) line = FitColumns(line, width);
  return lines;
}

std::vector<std::string> PlainLines(const ViewState& before,
                                    const ViewState& after) {
  std::vector<std::string> lines;
  const int64_t known =
      before.updates.empty() ? 0 : before.updates.back().update();
  const int64_t old_pms = before.refresher.pms_size();
  for (int i = old_pms; i < after.refresher.pms_size(); ++i) {
    const v1::PmReport& pm = after.refresher.pms(i);
    lines.push_back(absl::StrCat("PM v", pm.pm().version(), " ", pm.verdict()));
  }
  const int64_t comparisons = after.feedback.num_comparisons();
  if (comparisons / kComparisonsPerLine >
      before.feedback.num_comparisons() / kComparisonsPerLine) {
    lines.push_back(ComparisonLine(after));
  }
  for (const v1::UpdateReport& update : after.updates) {
    if (update.update() > known) lines.push_back(UpdateText(update, after));
  }
  return lines;
}

TerminalView::TerminalView(bool plain)
    : in_place_(!plain && CanDrawInPlace()) {}

void TerminalView::Show(const ViewState& state) {
  if (!in_place_) {
    // Each role that is done waiting for would be a line.
    const bool waits = !state.waiting_for.empty();
    if (!state.phase.empty() &&
        (state.phase != last_.phase || (waits && last_.waiting_for.empty()))) {
      Event(PhaseText(state));
    }
    for (const std::string& line : PlainLines(last_, state)) Event(line);
    last_ = state;
    return;
  }
  last_ = state;
  last_.event = last_event_;
  lines_.Draw(Render(last_, TerminalSize().columns));
}

void TerminalView::Event(absl::string_view line) {
  last_event_ = std::string(line);
  if (!in_place_) Print(absl::StrCat(line, "\n"));
}

void TerminalView::Print(absl::string_view text) {
  ::fwrite(text.data(), 1, text.size(), stdout);
  ::fflush(stdout);
  lines_.Leave();
}

}  // namespace rlhf
