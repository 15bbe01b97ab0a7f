#include "core/registry/transition_log.h"

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::StatusOr<Aliases> ParseAliases(const Json& json) {
  const auto found = json.find("aliases");
  if (found == json.end() || !found->is_object()) {
    return absl::InvalidArgumentError("\"aliases\" is missing or no object");
  }
  Aliases aliases;
  for (const auto& [alias, version] : found->items()) {
    // One beyond 2^63 comes out negative.
    if (!version.is_number_integer() || version.get<int64_t>() < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", alias, "\" is not a version"));
    }
    aliases[alias] = version.get<int64_t>();
  }
  return aliases;
}

absl::StatusOr<Transition> ParseTransition(const Json& json) {
  Transition transition;
  RLHF_ASSIGN_OR_RETURN(transition.aliases, ParseAliases(json));
  transition.seq = json.at("seq").get<int64_t>();
  RLHF_ASSIGN_OR_RETURN(const std::string time, GetString(json, "time"));
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, time, &transition.time, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("\"time\": ", error));
  }
  RLHF_ASSIGN_OR_RETURN(transition.cause.by, GetString(json, "by"));
  RLHF_ASSIGN_OR_RETURN(transition.cause.reason, GetString(json, "reason"));
  return transition;
}

}  // namespace

std::string KeyPath(const std::string& root) { return root + "/key.pem"; }

TransitionLog::TransitionLog(const std::string& root)
    : log_(root + "/transitions.jsonl", KeyPath(root)) {}

absl::StatusOr<Aliases> TransitionLog::Current() const {
  RLHF_ASSIGN_OR_RETURN(const std::optional<Json> json, log_.Last());
  if (!json.has_value()) return Aliases();
  const absl::StatusOr<Transition> transition = ParseTransition(*json);
  if (!transition.ok()) {
    return WithContext(
        transition.status(),
        absl::StrCat(log_.path(), ":", DumpJson(json->at("seq"))));
  }
  return transition->aliases;
}

absl::StatusOr<std::vector<Transition>> TransitionLog::ReadAll() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<Json> records, log_.ReadAll());
  std::vector<Transition> transitions;
  for (const Json& json : records) {
    absl::StatusOr<Transition> transition = ParseTransition(json);
    if (!transition.ok()) {
      return absl::DataLossError(absl::StrCat(log_.path(), ":",
                                              transitions.size() + 1, ": ",
                                              transition.status().message()));
    }
    transitions.push_back(*std::move(transition));
  }
  return transitions;
}

absl::Status TransitionLog::Append(const Aliases& aliases,
                                   const TransitionCause& cause,
                                   absl::Time now) const {
  RLHF_RETURN_IF_ERROR(Current().status());
  return log_.Append(
      {{"time", absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone())},
       {"by", cause.by},
       {"reason", cause.reason},
       {"aliases", aliases}});
}

}  // namespace rlhf
