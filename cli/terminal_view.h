// What `rlhf up` shows while it runs.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "cli/screen.h"
#include "rlhf/v1/control.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

struct RoleLine {
  std::string role;
  // "running", "restarting", "done", "stopped".
  std::string state;
  int64_t rss_bytes = 0;
  int64_t num_restarts = 0;
};

// Processes of one role in one state as one line, "actor x4", once a role has
// more than three processes: a screen has few lines. Memory and restarts are
// those of all together.
std::vector<RoleLine> Collapse(const std::vector<RoleLine>& roles);

// All that the view knows. Statuses of roles that do not answer keep the values
// of their last answer.
struct ViewState {
  std::string run_name;
  std::string run_dir;
  std::string page_url;
  double elapsed_seconds = 0;
  // Set by `up` itself where it knows better than the learner ("stopping",
  // "evaluating"); else empty.
  std::string phase;
  // Roles that `phase` waits for.
  std::vector<std::string> waiting_for;
  v1::LearnerStatus learner;
  v1::RefreshStatus refresher;
  v1::FeedbackStats feedback;
  int64_t num_updates = 0;
  // 0: no limit.
  int64_t max_comparisons = 0;
  // The newest few hundred by rising number, those of earlier sessions
  // included.
  std::vector<v1::UpdateReport> updates;
  // Mean of the newest updates; 0 while unknown.
  double seconds_per_update = 0;
  std::vector<RoleLine> roles;
  // The newest event, such as "actor restarted".
  std::string event;
};

// At most 22 lines of at most `width` columns (UTF-8, no control characters).
std::vector<std::string> Render(const ViewState& state, int width);

// What is worth a line on a terminal that is no terminal: every new update, a
// new PM and every 32nd comparison between `before` and `after`.
std::vector<std::string> PlainLines(const ViewState& before,
                                    const ViewState& after);

// The values as bars of eighths between their smallest and largest; the newest
// `width` of them.
std::string Sparkline(const std::vector<double>& values, int width);

// Prints states and events to stdout: in place on a terminal, else (or if
// `plain`, or if NO_COLOR is set) line by line. Not thread-safe.
class TerminalView {
 public:
  explicit TerminalView(bool plain);

  void Show(const ViewState& state);
  // One line of its own in plain output; part of the next Show otherwise.
  void Event(absl::string_view line);
  // Text that stays: below the view.
  void Print(absl::string_view text);

 private:
  const bool in_place_;
  InPlaceLines lines_;
  ViewState last_;
  std::string last_event_;
};

}  // namespace rlhf
