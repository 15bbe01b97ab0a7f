#include "cli/top.h"

#include <poll.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "cli/role_clients.h"
#include "cli/screen.h"
#include "cli/status.h"
#include "cli/top_view.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/permissions.h"
#include "crowd/feedback_http_client.h"

namespace rlhf {
namespace {

// Of one question: who hangs must not stop the view.
constexpr absl::Duration kPatience = absl::Milliseconds(300);
constexpr absl::Duration kPause = absl::Seconds(1);
constexpr absl::Duration kKeyPause = absl::Milliseconds(100);
constexpr int kMostSilentLooks = 10;

// If `watch`, the keys of the terminal at stdin, one by one and unseen, until
// destroyed; no keys if it is none.
class Keyboard {
 public:
  explicit Keyboard(bool watch)
      : is_terminal_(watch && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!is_terminal_) return;
    termios raw = before_;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
  }
  ~Keyboard() {
    if (is_terminal_) ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
  }
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  // Waits so long; true as soon as q is pressed or shutdown is requested.
  bool AskedToEnd(absl::Duration pause) const {
    const absl::Time end = absl::Now() + pause;
    while (absl::Now() < end) {
      if (WaitForShutdown(is_terminal_ ? kKeyPause : end - absl::Now())) {
        return true;
      }
      while (is_terminal_ && HasKey()) {
        char key = 0;
        if (::read(STDIN_FILENO, &key, 1) != 1) break;
        if (key == 'q' || key == 'Q') return true;
      }
    }
    return false;
  }

 private:
  static bool HasKey() {
    pollfd stdin_poll = {.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
    return ::poll(&stdin_poll, 1, 0) == 1 && (stdin_poll.revents & POLLIN) != 0;
  }

  termios before_ = {};
  const bool is_terminal_;
};

ProcessNumbers AskProcess(const MetricsTarget& target) {
  const auto reply =
      GetHttp(absl::StrCat("http://", target.address, "/metrics"), kPatience);
  if (reply.ok() && reply->status == 200) {
    return NumbersOf(target.process, MetricsText::Parse(reply->body));
  }
  return {.process = target.process,
          .answered = reply.ok() ? absl::UnavailableError(
                                       absl::StrCat("HTTP ", reply->status))
                                 : reply.status()};
}

TopLook LookAt(const std::vector<MetricsTarget>& targets,
               const RoleClients& clients) {
  TopLook look;
  look.time = absl::Now();
  for (const MetricsTarget& target : targets) {
    look.processes.push_back(AskProcess(target));
  }
  look.answers = AskRoles(clients);
  return look;
}

}  // namespace

absl::Status RunTop(const v1::RunConfig& config, bool plain) {
  const std::vector<MetricsTarget> targets = MetricsTargetsOf(config);
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  const RoleClients clients(config, self, kPatience);
  const bool in_place = !plain && CanDrawInPlace();
  TopHistory history;
  history.Add(LookAt(targets, clients));
  if (!AnybodyAnswers(history.latest())) return NobodyAnswers(config);
  const Keyboard keyboard(in_place);
  InPlaceLines screen;
  int silent_looks = 0;
  while (silent_looks < kMostSilentLooks) {
    if (in_place) {
      const ScreenSize size = TerminalSize();
      screen.Draw(RenderTop(config, history, size.columns, size.rows - 1));
    } else {
      ::puts(TopLine(history).c_str());
      if (::fflush(stdout) != 0) {
        return absl::UnavailableError("cannot write to stdout");
      }
    }
    if (keyboard.AskedToEnd(kPause)) return absl::OkStatus();
    history.Add(LookAt(targets, clients));
    silent_looks = AnybodyAnswers(history.latest()) ? 0 : silent_looks + 1;
  }
  ::puts(absl::StrCat("run ", config.name(), " answers no more").c_str());
  return absl::OkStatus();
}

}  // namespace rlhf
