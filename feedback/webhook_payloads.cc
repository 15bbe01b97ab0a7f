#include "feedback/webhook_payloads.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::StatusOr<Json> GetObject(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" must be an object"));
  }
  return *found;
}

absl::StatusOr<Json> ReadEvent(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(Json event, ParseJson(body));
  if (event.is_object()) return event;
  return absl::InvalidArgumentError("the body must be a JSON object");
}

absl::Time TimeOf(const Json& object, const char* key) {
  absl::Time time = absl::InfinitePast();
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return time;
  const bool read = absl::ParseTime(absl::RFC3339_full,
                                    found->get<std::string>(), &time, nullptr);
  return read ? time : absl::InfinitePast();
}

}  // namespace

absl::StatusOr<WebhookRecord> ReadArgillaEvent(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(const Json event, ReadEvent(body));
  RLHF_ASSIGN_OR_RETURN(const std::string type, GetString(event, "type"));
  WebhookRecord result = {.time = TimeOf(event, "timestamp")};
  if (type != "response.created" && type != "response.updated") return result;
  RLHF_ASSIGN_OR_RETURN(const Json response, GetObject(event, "data"));
  RLHF_ASSIGN_OR_RETURN(const std::string status,
                        GetString(response, "status"));
  if (status != "submitted" && status != "discarded") return result;
  RLHF_ASSIGN_OR_RETURN(const Json record, GetObject(response, "record"));
  RLHF_ASSIGN_OR_RETURN(const Json fields, GetObject(record, "fields"));
  RLHF_ASSIGN_OR_RETURN(const Json user, GetObject(response, "user"));
  // An export names records by their external ids.
  Json id = record.value("external_id", Json());
  if (id.is_null()) id = record.value("id", Json());
  result.line = DumpJson(
      {{"external_id", std::move(id)},
       {"fields", fields},
       {"responses",
        Json::array({{{"user_id", user.value("id", Json())},
                      {"values", response.value("values", Json())},
                      {"status", status},
                      {"updated_at", event.value("timestamp", Json())}}})}});
  return result;
}

absl::StatusOr<WebhookRecord> ReadLabelStudioEvent(absl::string_view body) {
  RLHF_ASSIGN_OR_RETURN(const Json event, ReadEvent(body));
  RLHF_ASSIGN_OR_RETURN(const std::string action, GetString(event, "action"));
  if (action != "ANNOTATION_CREATED" && action != "ANNOTATION_UPDATED") {
    return WebhookRecord();
  }
  RLHF_ASSIGN_OR_RETURN(Json annotation, GetObject(event, "annotation"));
  RLHF_ASSIGN_OR_RETURN(const Json task, GetObject(event, "task"));
  RLHF_ASSIGN_OR_RETURN(const Json data, GetObject(task, "data"));
  WebhookRecord result = {.time = TimeOf(annotation, "updated_at")};
  if (result.time == absl::InfinitePast()) {
    result.time = TimeOf(annotation, "created_at");
  }
  result.line =
      DumpJson({{"id", task.value("id", Json())},
                {"data", data},
                {"annotations", Json::array({std::move(annotation)})}});
  return result;
}

}  // namespace rlhf
