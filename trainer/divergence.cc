#include "trainer/divergence.h"

#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

using Action = Divergence::Action;

Action ActionOf(const v1::LearnerConfig& config) {
  switch (config.on_divergence()) {
    case v1::LearnerConfig::STOP:
      return Action::kStop;
    case v1::LearnerConfig::SKIP:
      return Action::kSkip;
    case v1::LearnerConfig::ROLL_BACK:
      break;
  }
  return Action::kRollBack;
}

std::string NotePath(const std::string& run_directory, int64_t update) {
  const std::string journal = PoisonedJournalPath(run_directory, update);
  return journal.substr(0, journal.rfind('.')) + ".json";
}

}  // namespace

Divergence JudgeUpdate(const UpdateHealth& health,
                       const v1::LearnerConfig& config) {
  const double limit = config.max_kl_nats_per_sequence();
  const double kl = health.kl_nats_per_sequence;
  // Written so that a KL that is not a number is too large.
  if (limit > 0 && !(kl <= limit)) {
    return {.action = ActionOf(config),
            .reason =
                absl::StrCat("the policy's KL to the reference is ", kl,
                             " nats per response, above the limit of ", limit),
            .policy_is_bad = true};
  }
  if (health.num_steps == 0 && health.num_skipped_steps > 0) {
    return {.action = ActionOf(config),
            .reason = absl::StrCat("none of its ", health.num_skipped_steps,
                                   " optimizer steps had a finite gradient")};
  }
  return {};
}

std::string EncodeLeftOut(const LeftOut& left_out) {
  Json json = {{"update", left_out.header.update()},
               {"reason", left_out.reason},
               {"pm",
                {{"version", left_out.header.pm().version()},
                 {"digest", left_out.header.pm().digest()}}}};
  if (left_out.rolled_back_to.has_value()) {
    json["rolled_back_to"] = *left_out.rolled_back_to;
  }
  return json.dump(2) + "\n";
}

absl::StatusOr<LeftOut> DecodeLeftOut(const std::string& text) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  LeftOut left_out;
  try {
    left_out.header.set_update(json.at("update").get<int64_t>());
    left_out.reason = json.at("reason").get<std::string>();
    const Json& pm = json.at("pm");
    left_out.header.mutable_pm()->set_version(pm.at("version").get<int64_t>());
    left_out.header.mutable_pm()->set_digest(
        pm.at("digest").get<std::string>());
    if (json.contains("rolled_back_to")) {
      left_out.rolled_back_to = json.at("rolled_back_to").get<int64_t>();
    }
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(error.what());
  }
  return left_out;
}

absl::Status SetAside(const std::string& run_directory,
                      const LeftOut& left_out) {
  const int64_t update = left_out.header.update();
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(NotePath(run_directory, update),
                                           EncodeLeftOut(left_out)));
  const std::string path = PoisonedJournalPath(run_directory, update);
  if (std::rename(JournalPath(run_directory, update).c_str(), path.c_str()) !=
      0) {
    return ErrnoStatus(errno, "rename to", path);
  }
  return SyncPath(path.substr(0, path.rfind('/')));
}

absl::StatusOr<std::optional<LeftOut>> FindLeftOut(
    const std::string& run_directory, int64_t update) {
  if (!FileExists(PoisonedJournalPath(run_directory, update))) {
    return std::optional<LeftOut>();
  }
  const std::string path = NotePath(run_directory, update);
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  absl::StatusOr<LeftOut> left_out = DecodeLeftOut(text);
  if (!left_out.ok()) return WithContext(left_out.status(), path);
  return std::optional(*std::move(left_out));
}

}  // namespace rlhf
