#include "cli/doctor/judge_role.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/doctor/limits.h"

namespace rlhf {
namespace {

double Ms(absl::Duration d) { return absl::ToDoubleMilliseconds(d); }

Finding JudgeAnswer(const std::string& whose, const HealthAnswer& answer) {
  Finding finding = {
      .subject = whose,
      .found = absl::StrFormat("%s, answers in %.2f ms",
                               answer.serving ? "serves" : "is not ready",
                               Ms(answer.round_trip)),
      .figures = {{"serving", answer.serving},
                  {"round_trip_ms", Ms(answer.round_trip)}}};
  if (answer.serving) return finding;
  finding.level = Level::kWarning;
  finding.advice =
      "it may still load: `rlhf wait --ready` returns when it is, `rlhf "
      "status` says what it waits for";
  return finding;
}

// What is to be done at a place where a role could not serve or be reached;
// empty where it could.
struct PlaceWords {
  std::string found, advice;
};

PlaceWords WordsFor(const RoleFigures& role) {
  const auto error = role.answer.status().message();
  switch (role.place) {
    case Place::kFree:
      return {"the port is free here, nobody serves", ""};
    case Place::kRefused:
      return {"its machine answers, nobody serves", ""};
    case Place::kInUse:
    case Place::kReached:
      return {absl::StrCat("in use, but nobody answers as ", role.role, ": ",
                           error),
              "end the process that listens there (`ss -ltnp` names it) or "
              "choose another port; with tls, see that it has this run's "
              "certificate"};
    case Place::kForbidden:
      return {"this user may not listen there",
              "choose a port above 1023, and a listen_host of this machine"};
    case Place::kUnknownHost:
      return {"its host has no address here",
              "correct the name, or make it known (DNS, /etc/hosts) on every "
              "machine of the run"};
    case Place::kSilent:
      break;
  }
  return {absl::StrCat("its machine does not answer: ", error),
          "see that the machine is up and that no firewall drops the port "
          "(docs/launching.md lists who connects where)"};
}

Finding JudgeSilence(const RoleFigures& role, bool run_is_up) {
  const PlaceWords words = WordsFor(role);
  Finding finding = {.subject = absl::StrCat(role.role, " ", role.address),
                     .found = words.found,
                     .advice = words.advice};
  if (!words.advice.empty()) {
    finding.level = Level::kFault;
  } else if (run_is_up) {
    finding.level = Level::kWarning;
    finding.advice =
        absl::StrCat("other roles of the run answer: start it (rlhf ",
                     role.role, ") or see why it ended (runs/NAME/logs)");
  }
  return finding;
}

}  // namespace

Findings JudgeRole(const RoleFigures& role, bool run_is_up, const Build& own) {
  if (!role.answer.ok()) return {JudgeSilence(role, run_is_up)};
  const std::string whose = absl::StrCat(role.role, " ", role.address);
  const HealthAnswer& answer = *role.answer;
  Findings findings = {JudgeAnswer(whose, answer),
                       JudgeBuild(whose, answer.build, own)};
  if (answer.clock_ahead.has_value()) {
    findings.push_back(
        JudgeClock(whose, *answer.clock_ahead, answer.round_trip / 2));
  }
  return findings;
}

Finding JudgeClock(const std::string& whose, absl::Duration offset,
                   absl::Duration uncertainty) {
  Finding finding = {
      .subject = absl::StrCat("clock of ", whose),
      .found = absl::StrFormat(
          "%.2f ms %s ours, to within %.2f ms", Ms(absl::AbsDuration(offset)),
          offset < absl::ZeroDuration() ? "behind" : "ahead of",
          Ms(uncertainty)),
      .figures = {{"ahead_ms", Ms(offset)},
                  {"uncertainty_ms", Ms(uncertainty)}}};
  const double surely =
      absl::ToDoubleSeconds(absl::AbsDuration(offset) - uncertainty);
  if (surely <= limits::kClockWarningS) return finding;
  finding.level =
      surely > limits::kClockFaultS ? Level::kFault : Level::kWarning;
  finding.advice =
      "have both machines keep time (chrony or systemd-timesyncd; "
      "`timedatectl` says whether they do)";
  return finding;
}

Finding JudgeBuild(const std::string& whose, const std::optional<Build>& theirs,
                   const Build& own) {
  Finding finding = {.subject = absl::StrCat("version of ", whose)};
  if (!theirs.has_value()) {
    finding.level = Level::kWarning;
    finding.found = "it does not say which";
    finding.advice = "it is older than this program, or another one: update it";
    return finding;
  }
  finding.found =
      absl::StrCat("rlhf ", theirs->version, ", protocol ", theirs->protocol);
  finding.figures = {{"version", theirs->version},
                     {"protocol", theirs->protocol}};
  if (const absl::Status apart = CheckNeighbours(*theirs, own); !apart.ok()) {
    finding.level = Level::kFault;
    finding.advice = std::string(apart.message());
  } else if (theirs->version != own.version ||
             theirs->protocol != own.protocol) {
    finding.level = Level::kWarning;
    finding.advice =
        absl::StrCat("here it is rlhf ", own.version, ", protocol ",
                     own.protocol, ": bring the older one up to the newer");
  }
  return finding;
}

Finding JudgePort(const std::string& field, const std::string& address,
                  const absl::Status& status, bool owner_is_up) {
  Finding finding = {.subject = absl::StrCat(field, " ", address)};
  if (status.ok()) {
    finding.found = "the port is free here";
  } else if (!absl::IsAlreadyExists(status)) {
    finding.level = Level::kFault;
    finding.found = std::string(status.message());
    finding.advice = "give an address of this machine that it may listen at";
  } else if (owner_is_up) {
    finding.found = "in use by the run";
  } else {
    finding.level = Level::kFault;
    finding.found = "in use, and the run is not up";
    finding.advice =
        "end the process that listens there (`ss -ltnp` names it) or choose "
        "another port";
  }
  return finding;
}

}  // namespace rlhf
