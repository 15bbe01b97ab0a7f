#include "core/rpc/permissions.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rlhf {

const std::vector<Permission>& Permissions() {
  static const auto& permissions = *new std::vector<Permission>{
      {"/rlhf.v1.Control/GetStatus", {"refresher", kOperatorRole}},
      {"/rlhf.v1.Control/GiveOrder", {kOperatorRole}},
      {"/rlhf.v1.Refresh/GetStatus", {kOperatorRole}},
      {"/rlhf.v1.Feedback/GetStats", {"refresher", kOperatorRole}},
      {"/rlhf.v1.Feedback/ReadComparisons", {"refresher", kOperatorRole}},
      {"/rlhf.v1.FeedbackImport/Import", {kOperatorRole}},
      {"/rlhf.v1.FeedbackImport/ListBatches", {kOperatorRole}},
      {"/rlhf.v1.FeedbackImport/GetBatch", {kOperatorRole}},
      {"/rlhf.v1.FeedbackImport/DecideBatch", {kOperatorRole}},
      {"/rlhf.v1.FeedbackImport/Retract", {kOperatorRole}},
      {"/rlhf.v1.Generation/Generate", {"feedback"}},
      {"/rlhf.v1.Generation/GenerateStream", {"feedback"}},
      {"/rlhf.v1.Reward/Score", {"learner", "actor", "feedback"}},
      {"/rlhf.v1.RewardAdmin/GetStatus",
       {"learner", "refresher", "feedback", kOperatorRole}},
      {"/rlhf.v1.Rollouts/LeasePrompts", {"actor"}},
      {"/rlhf.v1.Rollouts/SubmitRollouts", {"actor"}},
      {"/rlhf.v1.Store/Verify", {kOperatorRole}},
      {"/rlhf.v1.Store/Backup", {kOperatorRole}},
      {"/rlhf.v1.Store/ListRetractions", {"refresher", kOperatorRole}},
      {"/rlhf.v1.Weights/GetManifest", {"actor"}},
      {"/rlhf.v1.Weights/FindSource", {"actor"}},
  };
  return permissions;
}

absl::Status CheckPermission(absl::string_view role, absl::string_view method) {
  if (absl::StartsWith(method, "/grpc.health.v1.Health/")) {
    return absl::OkStatus();
  }
  const auto& all = Permissions();
  const auto found =
      std::find_if(all.begin(), all.end(), [&](const Permission& permission) {
        return permission.method == method;
      });
  if (found == all.end()) {
    return absl::PermissionDeniedError(
        absl::StrCat("the role ", role, " may not call ", method,
                     ": there is no such method here"));
  }
  const auto& callers = found->callers;
  if (std::find(callers.begin(), callers.end(), role) != callers.end()) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("the role ", role, " may not call ", method,
                   "; this is for ", absl::StrJoin(callers, ", ")));
}

}  // namespace rlhf
