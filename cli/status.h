// `rlhf status`: what each role of a run answers right now.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "cli/role_clients.h"
#include "core/base/json.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Each role's answer, or why there is none.
struct RunAnswers {
  absl::StatusOr<v1::LearnerStatus> learner;
  absl::StatusOr<bool> actor_serves;
  absl::StatusOr<v1::RewardStatus> rewards;
  absl::StatusOr<v1::RefreshStatus> refresher;
  absl::StatusOr<v1::FeedbackStats> feedback;
};
RunAnswers AskRoles(const RoleClients& clients);

struct RoleAnswer {
  // As its verb is called.
  std::string role;
  std::string address;
  // The answer as JSON, and in words.
  absl::StatusOr<Json> status;
  std::string words;
};
// All five, in a fixed order.
std::vector<RoleAnswer> Describe(const v1::RunConfig& config,
                                 const RunAnswers& answers);

// Unavailable: whether the run is finished, or not started.
absl::Status NobodyAnswers(const v1::RunConfig& config);

// Prints to stdout a line per role, or with `json` one object
// {"learner": {"status": …} or {"error": …}, …}, whose statuses are the proto
// JSON of the role's answer. A role that does not answer within a second is no
// error of this function, unless it is all of them: Unavailable. Errors beside:
// as RpcIdentity::Load.
absl::Status PrintStatus(const v1::RunConfig& config, bool json);

}  // namespace rlhf
