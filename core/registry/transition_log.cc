#include "core/registry/transition_log.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/signing_key.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// A record as it stands on its line.
struct Record {
  Transition transition;
  std::string previous_sha256;
  std::string key;
};

// The complete lines of the file, without what a crash cut short.
absl::StatusOr<std::vector<std::string>> ReadLines(const std::string& path) {
  if (!FileExists(path)) return std::vector<std::string>();
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  return lines;
}

Json ToJson(const Record& record) {
  return {{"seq", record.transition.seq},
          {"time", absl::FormatTime(absl::RFC3339_full, record.transition.time,
                                    absl::UTCTimeZone())},
          {"by", record.transition.cause.by},
          {"reason", record.transition.cause.reason},
          {"aliases", record.transition.aliases},
          {"previous_sha256", record.previous_sha256},
          {"key", record.key}};
}

absl::StatusOr<Aliases> ParseAliases(const Json& json) {
  const auto found = json.find("aliases");
  if (found == json.end() || !found->is_object()) {
    return absl::InvalidArgumentError("\"aliases\" is missing or no object");
  }
  Aliases aliases;
  for (const auto& [alias, version] : found->items()) {
    if (!version.is_number_integer()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", alias, "\" is not a version"));
    }
    aliases[alias] = version.get<int64_t>();
  }
  return aliases;
}

absl::StatusOr<Record> ParseRecord(const Json& json) {
  if (!json.is_object()) return absl::InvalidArgumentError("not an object");
  Record record;
  Transition& transition = record.transition;
  RLHF_ASSIGN_OR_RETURN(transition.aliases, ParseAliases(json));
  const auto seq = json.find("seq");
  if (seq == json.end() || !seq->is_number_integer()) {
    return absl::InvalidArgumentError("\"seq\" is missing or no number");
  }
  transition.seq = seq->get<int64_t>();
  RLHF_ASSIGN_OR_RETURN(const std::string time, GetString(json, "time"));
  std::string error;
  if (!absl::ParseTime(absl::RFC3339_full, time, &transition.time, &error)) {
    return absl::InvalidArgumentError(absl::StrCat("\"time\": ", error));
  }
  RLHF_ASSIGN_OR_RETURN(transition.cause.by, GetString(json, "by"));
  RLHF_ASSIGN_OR_RETURN(transition.cause.reason, GetString(json, "reason"));
  RLHF_ASSIGN_OR_RETURN(record.previous_sha256,
                        GetString(json, "previous_sha256"));
  RLHF_ASSIGN_OR_RETURN(record.key, GetString(json, "key"));
  return record;
}

absl::StatusOr<Record> ParseLine(const std::string& line) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
  return ParseRecord(json);
}

// What makes `line` no true successor of `before` (null: the first); empty if
// nothing does.
std::string Flaw(const std::string& line, const std::string* before,
                 const std::string& first_key) {
  absl::StatusOr<Json> json = ParseJson(line);
  if (!json.ok()) return std::string(json.status().message());
  const absl::StatusOr<Record> record = ParseRecord(*json);
  if (!record.ok()) return std::string(record.status().message());
  const absl::StatusOr<std::string> signature = GetString(*json, "signature");
  if (!signature.ok()) return std::string(signature.status().message());
  json->erase("signature");
  if (!VerifySignature(record->key, DumpJson(*json), *signature)) {
    return "the signature is not that of the record";
  }
  if (!first_key.empty() && record->key != first_key) {
    return "it is signed with another key than the first record";
  }
  if (record->previous_sha256 !=
      (before == nullptr ? "" : Sha256Hex(*before))) {
    return "the record before it is not the one that it follows";
  }
  return "";
}

}  // namespace

std::string KeyPath(const std::string& root) { return root + "/key.pem"; }

TransitionLog::TransitionLog(const std::string& root)
    : path_(root + "/transitions.jsonl"), key_path_(KeyPath(root)) {}

absl::StatusOr<Aliases> TransitionLog::Current() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  if (lines.empty()) return Aliases();
  const absl::StatusOr<Record> record = ParseLine(lines.back());
  if (!record.ok()) {
    return WithContext(record.status(), absl::StrCat(path_, ":", lines.size()));
  }
  return record->transition.aliases;
}

absl::StatusOr<std::vector<Transition>> TransitionLog::ReadAll() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  std::vector<Transition> transitions;
  std::string key;
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string flaw =
        Flaw(lines[i], i == 0 ? nullptr : &lines[i - 1], key);
    if (!flaw.empty()) {
      return absl::DataLossError(
          absl::StrCat(path_, ":", i + 1, ": ", flaw,
                       "; this record was damaged or forged, restore the file "
                       "from a copy"));
    }
    RLHF_ASSIGN_OR_RETURN(Record record, ParseLine(lines[i]));
    key = record.key;
    transitions.push_back(std::move(record.transition));
  }
  return transitions;
}

absl::Status TransitionLog::Append(const Aliases& aliases,
                                   const TransitionCause& cause,
                                   absl::Time now) const {
  RLHF_RETURN_IF_ERROR(Current().status());
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  RLHF_ASSIGN_OR_RETURN(const SigningKey key,
                        SigningKey::LoadOrCreate(key_path_));
  Json json =
      ToJson({.transition = {.seq = static_cast<int64_t>(lines.size()) + 1,
                             .time = now,
                             .cause = cause,
                             .aliases = aliases},
              .previous_sha256 = lines.empty() ? "" : Sha256Hex(lines.back()),
              .key = key.public_hex()});
  json["signature"] = key.Sign(DumpJson(json));
  RLHF_RETURN_IF_ERROR(AppendLine(path_, DumpJson(json)));
  return SyncPath(path_);
}

}  // namespace rlhf
