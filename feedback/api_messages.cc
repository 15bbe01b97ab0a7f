#include "feedback/api_messages.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/check_comparison.h"
#include "feedback/api_responses.h"
#include "feedback/one_line.h"

namespace rlhf {
namespace {

constexpr size_t kMaxPauseBytes = 1000;

struct ChoiceName {
  const char* name;
  ShownChoice choice;
};
constexpr ChoiceName kChoices[] = {
    {"left_better", ShownChoice::kLeftBetter},
    {"right_better", ShownChoice::kRightBetter},
    {"tie", ShownChoice::kTie},
    {"both_bad", ShownChoice::kBothBad},
    {"skip", ShownChoice::kSkip},
};

absl::Status FieldError(absl::string_view field, absl::string_view problem) {
  return absl::InvalidArgumentError(absl::StrCat("\"", field, "\" ", problem));
}

// A required name: short, not empty, without control characters.
absl::StatusOr<std::string> GetId(const Json& object, absl::string_view key) {
  RLHF_ASSIGN_OR_RETURN(std::string id, GetString(object, key));
  if (absl::StripAsciiWhitespace(id).empty()) {
    return FieldError(key, "is empty");
  }
  if (id.size() > kMaxIdBytes) {
    return FieldError(key, absl::StrCat("has ", id.size(), " bytes; at most ",
                                        kMaxIdBytes, " are allowed"));
  }
  if (std::any_of(id.begin(), id.end(),
                  [](unsigned char c) { return absl::ascii_iscntrl(c); })) {
    return FieldError(key, "holds a control character");
  }
  return id;
}

absl::StatusOr<ShownChoice> GetChoice(const Json& object) {
  RLHF_ASSIGN_OR_RETURN(const std::string name, GetString(object, "choice"));
  for (const ChoiceName& choice : kChoices) {
    if (name == choice.name) return choice.choice;
  }
  return FieldError("choice",
                    absl::StrCat("is \"", name,
                                 "\"; it must be left_better, right_better, "
                                 "tie, both_bad or skip"));
}

absl::StatusOr<int> GetStrength(const Json& object, ShownChoice choice) {
  const bool decided =
      choice == ShownChoice::kLeftBetter || choice == ShownChoice::kRightBetter;
  const Json strength = object.value("strength", Json());
  const bool absent = strength.is_null() || strength == Json(0);
  if (!decided) {
    if (absent) return 0;
    return FieldError("strength",
                      "may be given for left_better and right_better only");
  }
  if (!strength.is_number_integer() || strength < 1 || strength > 3) {
    return FieldError("strength",
                      absl::StrCat("is ", DumpJson(strength),
                                   "; it must be 1 (slightly better), 2 or 3 "
                                   "(much better)"));
  }
  return strength.get<int>();
}

absl::StatusOr<double> GetSeconds(const Json& object) {
  const Json seconds = object.value("seconds", Json(0));
  if (!seconds.is_number() || seconds < 0 || seconds > kMaxWorkerSeconds) {
    return FieldError("seconds", absl::StrCat("is ", DumpJson(seconds),
                                              "; it must be a number from 0 to "
                                              "1000000"));
  }
  return seconds.get<double>();
}

absl::StatusOr<std::string> GetSkipReason(const Json& object,
                                          ShownChoice choice) {
  if (!object.contains("skip_reason")) return std::string();
  RLHF_ASSIGN_OR_RETURN(std::string reason, GetString(object, "skip_reason"));
  if (choice != ShownChoice::kSkip && !reason.empty()) {
    return FieldError("skip_reason", "may be given for skip only");
  }
  if (reason.size() > kMaxSkipReasonBytes) {
    return FieldError("skip_reason",
                      absl::StrCat("has ", reason.size(), " bytes; at most ",
                                   kMaxSkipReasonBytes, " are allowed"));
  }
  return reason;
}

// Empty if it is absent.
absl::StatusOr<std::string> GetOptionalString(const Json& object,
                                              absl::string_view key) {
  if (!object.contains(std::string(key))) return std::string();
  return GetString(object, key);
}

absl::StatusOr<std::string> GetComment(const Json& object) {
  RLHF_ASSIGN_OR_RETURN(std::string comment,
                        GetOptionalString(object, "comment"));
  const int64_t num_characters = CountCharacters(comment);
  if (num_characters > kMaxCommentCharacters) {
    return FieldError(
        "comment", absl::StrCat("has ", num_characters, " characters; at most ",
                                kMaxCommentCharacters, " are allowed"));
  }
  return comment;
}

absl::StatusOr<std::string> GetEditedResponse(const Json& object,
                                              ShownChoice choice) {
  RLHF_ASSIGN_OR_RETURN(std::string edited,
                        GetOptionalString(object, "edited_response"));
  const bool decided =
      choice == ShownChoice::kLeftBetter || choice == ShownChoice::kRightBetter;
  if (!decided && !edited.empty()) {
    return FieldError("edited_response",
                      "may be given for left_better and right_better only");
  }
  if (edited.size() > kMaxEditedBytes) {
    return FieldError("edited_response",
                      absl::StrCat("has ", edited.size(), " bytes; at most ",
                                   kMaxEditedBytes, " are allowed"));
  }
  return edited;
}

absl::StatusOr<bool> GetFlagged(const Json& object) {
  const Json flagged = object.value("flagged", Json(false));
  if (!flagged.is_boolean()) {
    return FieldError("flagged", absl::StrCat("is ", DumpJson(flagged),
                                              "; it must be true or false"));
  }
  return flagged.get<bool>();
}

absl::StatusOr<std::string> GetInterfaceVersion(const Json& object) {
  if (!object.contains("interface_version")) return std::string();
  return GetId(object, "interface_version");
}

Json OrNull(const std::optional<double>& value) {
  return value.has_value() ? Json(*value) : Json();
}

// Nothing is known of a share without cases.
void PutShare(const std::string& name, const ShareEstimate& estimate,
              Json& json) {
  const bool known = estimate.count > 0;
  json[name] = known ? Json(estimate.share) : Json();
  json[name + "_low"] = known ? Json(estimate.low) : Json();
  json[name + "_high"] = known ? Json(estimate.high) : Json();
}

absl::StatusOr<std::string> GetSource(const Json& object) {
  if (!object.contains("source")) return std::string("page");
  RLHF_ASSIGN_OR_RETURN(std::string source, GetString(object, "source"));
  // GCC 12 takes a comparison of the string itself for one of uninitialised
  // memory.
  const absl::string_view name = source;
  if (name != "page" && name != "crowd") {
    return FieldError("source", absl::StrCat("is \"", source,
                                             "\"; it must be page or crowd"));
  }
  return source;
}

}  // namespace

absl::StatusOr<std::string> ParseTaskRequest(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(const Json object, ParseObject(body, {"worker_id"}));
  return GetId(object, "worker_id");
}

absl::StatusOr<Answer> ParseAnswer(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(
      const Json object,
      ParseObject(
          body, {"task_id", "comparison_id", "worker_id", "choice", "strength",
                 "seconds", "skip_reason", "source", "interface_version",
                 "comment", "flagged", "edited_response"}));
  Answer answer;
  RLHF_ASSIGN_OR_RETURN(answer.task_id, GetId(object, "task_id"));
  RLHF_ASSIGN_OR_RETURN(answer.comparison_id, GetId(object, "comparison_id"));
  RLHF_ASSIGN_OR_RETURN(answer.worker_id, GetId(object, "worker_id"));
  RLHF_ASSIGN_OR_RETURN(answer.choice, GetChoice(object));
  RLHF_ASSIGN_OR_RETURN(answer.strength, GetStrength(object, answer.choice));
  RLHF_ASSIGN_OR_RETURN(answer.worker_seconds, GetSeconds(object));
  RLHF_ASSIGN_OR_RETURN(answer.skip_reason,
                        GetSkipReason(object, answer.choice));
  RLHF_ASSIGN_OR_RETURN(answer.source, GetSource(object));
  RLHF_ASSIGN_OR_RETURN(answer.interface_version, GetInterfaceVersion(object));
  RLHF_ASSIGN_OR_RETURN(answer.comment, GetComment(object));
  RLHF_ASSIGN_OR_RETURN(answer.flagged, GetFlagged(object));
  RLHF_ASSIGN_OR_RETURN(answer.edited_response,
                        GetEditedResponse(object, answer.choice));
  return answer;
}

absl::StatusOr<NextTurn> ParseNextTurn(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(const Json object,
                        ParseObject(body, {"task_id", "worker_id", "chosen",
                                           "message", "comparison_id"}));
  NextTurn turn;
  if (object.contains("comparison_id")) {
    RLHF_ASSIGN_OR_RETURN(turn.comparison_id, GetId(object, "comparison_id"));
  }
  RLHF_ASSIGN_OR_RETURN(turn.task_id, GetId(object, "task_id"));
  RLHF_ASSIGN_OR_RETURN(turn.worker_id, GetId(object, "worker_id"));
  RLHF_ASSIGN_OR_RETURN(turn.message, GetString(object, "message"));
  RLHF_ASSIGN_OR_RETURN(const std::string chosen, GetString(object, "chosen"));
  if (chosen != "left" && chosen != "right") {
    return FieldError("chosen", absl::StrCat("is \"", chosen,
                                             "\"; it must be left or right"));
  }
  turn.left_chosen = chosen == "left";
  return turn;
}

absl::StatusOr<PauseRequest> ParsePauseRequest(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(
      const Json object,
      ParseObject(body, {"worker_id", "paused", "by", "reason"}));
  PauseRequest request;
  RLHF_ASSIGN_OR_RETURN(request.worker_id, GetId(object, "worker_id"));
  const Json paused = object.value("paused", Json());
  if (!paused.is_boolean()) {
    return FieldError("paused", absl::StrCat("is ", DumpJson(paused),
                                             "; it must be true or false"));
  }
  request.paused = paused.get<bool>();
  RLHF_ASSIGN_OR_RETURN(request.by, GetOptionalString(object, "by"));
  RLHF_ASSIGN_OR_RETURN(request.reason, GetOptionalString(object, "reason"));
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"by\"", request.by));
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"reason\"", request.reason));
  if (request.by.size() + request.reason.size() > kMaxPauseBytes) {
    return FieldError(
        "reason",
        absl::StrCat("and \"by\" have ",
                     request.by.size() + request.reason.size(),
                     " bytes; at most ", kMaxPauseBytes, " are allowed"));
  }
  return request;
}

std::string TaskJson(const Task& task, absl::Duration lease) {
  Json messages = Json::array();
  for (const v1::Message& message : task.prompt.messages()) {
    messages.push_back(
        {{"role", message.role()}, {"content", message.content()}});
  }
  const std::string& left =
      task.shown_swapped ? task.response_b : task.response_a;
  const std::string& right =
      task.shown_swapped ? task.response_a : task.response_b;
  return DumpJson({{"task_id", task.task_id},
                   {"kind", task.kind == v1::RED_TEAM ? "red_team" : "helpful"},
                   {"messages", std::move(messages)},
                   {"left", left},
                   {"right", right},
                   {"lease_seconds", absl::ToDoubleSeconds(lease)}});
}

std::string WorkersJson(const std::vector<WorkerStatus>& workers) {
  Json list = Json::array();
  for (const WorkerStatus& worker : workers) {
    const WorkerView& view = worker.view;
    Json json = {{"worker_id", view.worker_id},
                 {"answers", view.num_answers},
                 {"extra_answers", view.num_extra},
                 {"gold_answers", view.num_gold},
                 {"gold_correct", view.num_gold_right},
                 {"verdict", WorkerVerdictName(view.verdict)},
                 {"median_seconds", OrNull(view.median_seconds)},
                 {"agreement", OrNull(view.agreement)},
                 {"paused", worker.paused},
                 {"paused_by", worker.paused_by},
                 {"paused_reason", worker.paused_reason}};
    PutShare("left_share", view.left, json);
    PutShare("longer_share", view.longer, json);
    list.push_back(std::move(json));
  }
  return DumpJson(list);
}

std::string AgreementJson(const AgreementView& agreement,
                          const std::vector<CopySuspicion>& copies) {
  Json list = Json::array();
  for (const CopySuspicion& copy : copies) {
    list.push_back({{"copier", copy.copier},
                    {"source", copy.source},
                    {"shared", copy.num_shared},
                    {"equal", copy.num_equal},
                    {"explained", copy.explained},
                    {"p_value", copy.p_value}});
  }
  return DumpJson({{"kappa", OrNull(agreement.kappa)},
                   {"alpha", OrNull(agreement.alpha)},
                   {"pairs", agreement.num_pairs},
                   {"copies", std::move(list)}});
}

}  // namespace rlhf
