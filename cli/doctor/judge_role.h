// How roles and ports look from here, and what to make of it. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/doctor/finding.h"
#include "core/rpc/health.h"
#include "core/rpc/protocol.h"

namespace rlhf {

// What a bind and a connection tell of "HOST:PORT".
enum class Place {
  kUnknownHost,  // its name has no address
  kFree,         // an address of this machine; nobody listens
  kInUse,        // an address of this machine; somebody listens
  kForbidden,    // one that a process of this user may not listen at
  kRefused,      // another machine, which answers that nobody listens
  kReached,      // another machine, somebody listens
  kSilent,       // another machine, which does not answer or has no way to it
};

struct RoleFigures {
  std::string role;
  std::string address;
  // Of the best of some questions.
  absl::StatusOr<HealthAnswer> answer;
  Place place = Place::kFree;
};

// Whether it can be reached or, before a start, be served there. If it answers,
// also its clock and its build, against `own`. `run_is_up`: some role answers.
Findings JudgeRole(const RoleFigures& role, bool run_is_up, const Build& own);

// `offset` of another clock against ours, known to within `uncertainty`.
Finding JudgeClock(const std::string& whose, absl::Duration offset,
                   absl::Duration uncertainty);

// nullopt: it does not say.
Finding JudgeBuild(const std::string& whose, const std::optional<Build>& theirs,
                   const Build& own);

// A port of this machine that no role answers at: metrics, weights, the page.
// `status` of listening there; `owner_is_up`: the process answers whose it is.
Finding JudgePort(const std::string& field, const std::string& address,
                  const absl::Status& status, bool owner_is_up);

}  // namespace rlhf
