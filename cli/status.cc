#include "cli/status.h"

#include <stdio.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "cli/role_clients.h"
#include "cli/run_report.h"
#include "core/base/json.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/rpc/permissions.h"

namespace rlhf {
namespace {

// An answer whose words are `describe(*status)`.
template <typename Message, typename F>
RoleAnswer Answer(const std::string& role, const std::string& address,
                  const absl::StatusOr<Message>& status, F&& describe) {
  if (!status.ok()) return {role, address, status.status(), ""};
  return {role, address, ParseJson(ProtoToJsonLine(*status)),
          describe(*status)};
}

std::string DescribeLearner(const v1::LearnerStatus& status) {
  return absl::StrFormat("%s, update %d/%d, policy v%d, PM v%d", status.phase(),
                         status.update(), status.num_updates(),
                         status.policy_version(), status.pm().version());
}

std::string DescribeRefresher(const v1::RefreshStatus& status) {
  return absl::StrFormat(
      "%s, %d comparisons seen, %d PMs, %s", status.phase(),
      status.num_comparisons(), status.pms_size(),
      status.next_refresh_at() == 0 ? "no further one planned"
      : status.next_refresh_at() > status.num_comparisons()
          ? absl::StrCat("next at ", status.next_refresh_at())
          : "next is due");
}

std::string DescribeRewardServer(const v1::RewardStatus& status) {
  std::string words =
      status.serving().version() == 0
          ? "no PM yet"
          : absl::StrCat("PM v", status.serving().version(), " serves");
  if (!status.load_error().empty()) {
    absl::StrAppend(&words,
                    "; newest PM failed to load: ", status.load_error());
  }
  return words;
}

std::string DescribeFeedback(const v1::FeedbackStats& stats) {
  return absl::StrFormat(
      "%d comparisons (%d decided) of %d workers, %d tasks ready",
      stats.num_comparisons(), stats.num_decided(), stats.num_workers(),
      stats.num_ready_tasks());
}

RoleAnswer AnswerOfActor(const std::string& address,
                         const absl::StatusOr<bool>& serves) {
  if (!serves.ok()) return {"actor", address, serves.status(), ""};
  return {"actor", address, Json{{"serving", *serves}},
          *serves ? "generates" : "waits for a policy"};
}

std::string AsJson(const std::vector<RoleAnswer>& answers) {
  Json object = Json::object();
  for (const RoleAnswer& answer : answers) {
    object[answer.role] =
        answer.status.ok()
            ? Json{{"status", *answer.status}}
            : Json{{"error", std::string(answer.status.status().message())}};
  }
  return DumpJson(object) + "\n";
}

std::string AsTable(const std::vector<RoleAnswer>& answers) {
  std::string text;
  for (const RoleAnswer& answer : answers) {
    absl::StrAppendFormat(
        &text, "%-14s %-16s %s\n", answer.role, answer.address,
        answer.status.ok()
            ? answer.words
            : absl::StrCat("no answer: ", answer.status.status().message()));
  }
  return text;
}

}  // namespace

RunAnswers AskRoles(const RoleClients& clients) {
  return {.learner = clients.Learner(),
          .actor_serves = clients.ActorServes(),
          .rewards = clients.RewardServer(),
          .refresher = clients.Refresher(),
          .feedback = clients.Feedback()};
}

std::vector<RoleAnswer> Describe(const v1::RunConfig& config,
                                 const RunAnswers& answers) {
  return {Answer("learner", config.learner().address(), answers.learner,
                 DescribeLearner),
          AnswerOfActor(config.actor().address(), answers.actor_serves),
          Answer("reward-server", config.reward_server().address(),
                 answers.rewards, DescribeRewardServer),
          Answer("refresher", config.preference().address(), answers.refresher,
                 DescribeRefresher),
          Answer("feedback", config.feedback().address(), answers.feedback,
                 DescribeFeedback)};
}

absl::Status NobodyAnswers(const v1::RunConfig& config) {
  const auto report = ReadFinishedReport(config);
  if (report.ok() && report->has_value()) {
    return absl::UnavailableError(absl::StrCat(
        "no role answers: run \"", config.name(), "\" is finished; see ",
        RunDirectory(config), "/report.json, or `rlhf up` for its summary"));
  }
  return absl::UnavailableError(
      absl::StrCat("no role answers; is run \"", config.name(), "\" started?"));
}

absl::Status PrintStatus(const v1::RunConfig& config, bool json) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  const std::vector<RoleAnswer> answers =
      Describe(config, AskRoles(RoleClients(config, self, absl::Seconds(1))));
  const std::string text = json ? AsJson(answers) : AsTable(answers);
  if (::fputs(text.c_str(), stdout) < 0 || ::fflush(stdout) != 0) {
    return absl::UnavailableError("cannot write to stdout");
  }
  for (const RoleAnswer& answer : answers) {
    if (answer.status.ok()) return absl::OkStatus();
  }
  return NobodyAnswers(config);
}

}  // namespace rlhf
