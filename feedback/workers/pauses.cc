#include "feedback/workers/pauses.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

absl::StatusOr<PersonsWord> WordFromJson(const Json& json) {
  if (!json.is_object() || !json.value("paused", Json()).is_boolean() ||
      !json.value("seq", Json()).is_number_integer()) {
    return absl::InvalidArgumentError(
        "wanted {\"paused\": true or false, \"by\", \"reason\", \"seq\"}");
  }
  PersonsWord word = {.paused = json.at("paused").get<bool>(),
                      .seq = json.at("seq").get<int64_t>()};
  RLHF_ASSIGN_OR_RETURN(word.by, GetString(json, "by"));
  RLHF_ASSIGN_OR_RETURN(word.reason, GetString(json, "reason"));
  return word;
}

}  // namespace

absl::StatusOr<PersonsWords> ReadPersonsWords(const std::string& path) {
  PersonsWords words;
  if (!FileExists(path)) return words;
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::StatusOr<Json> json = ParseJson(text);
  RLHF_RETURN_IF_ERROR(WithContext(json.status(), path));
  if (!json->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " holds no JSON object of workers"));
  }
  for (const auto& [worker_id, value] : json->items()) {
    const absl::StatusOr<PersonsWord> word = WordFromJson(value);
    RLHF_RETURN_IF_ERROR(WithContext(
        word.status(), absl::StrCat(path, ": worker \"", worker_id, "\"")));
    words[worker_id] = *word;
  }
  return words;
}

absl::Status WritePersonsWords(const std::string& path,
                               const PersonsWords& words) {
  Json json = Json::object();
  for (const auto& [worker_id, word] : words) {
    json[worker_id] = {{"paused", word.paused},
                       {"by", word.by},
                       {"reason", word.reason},
                       {"seq", word.seq}};
  }
  return WriteFileAtomically(path, DumpJson(json) + "\n");
}

}  // namespace rlhf
