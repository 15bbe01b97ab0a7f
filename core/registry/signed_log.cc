#include "core/registry/signed_log.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/signing_key.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kSeq[] = "seq";
constexpr char kPrevious[] = "previous_sha256";
constexpr char kKey[] = "key";
constexpr char kSignature[] = "signature";

// The complete lines of the file, without what a crash cut short.
absl::StatusOr<std::vector<std::string>> ReadLines(const std::string& path) {
  if (!FileExists(path)) return std::vector<std::string>();
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.pop_back();
  return lines;
}

absl::StatusOr<Json> ParseLine(const std::string& line) {
  RLHF_ASSIGN_OR_RETURN(Json json, ParseJson(line));
  if (!json.is_object()) return absl::InvalidArgumentError("not an object");
  return json;
}

absl::Status CheckNumber(const Json& record, size_t line_number) {
  if (record.value(kSeq, Json()) == line_number) return absl::OkStatus();
  return absl::InvalidArgumentError("\"seq\" is not the line's number");
}

// The record of `line`, as a true successor of `before` (null: the first).
// Errors: what is wrong with it.
absl::StatusOr<Json> Prove(const std::string& line, size_t number,
                           const std::string* before,
                           const std::string& first_key) {
  RLHF_ASSIGN_OR_RETURN(const Json record, ParseLine(line));
  RLHF_ASSIGN_OR_RETURN(const std::string key, GetString(record, kKey));
  RLHF_ASSIGN_OR_RETURN(const std::string previous,
                        GetString(record, kPrevious));
  RLHF_ASSIGN_OR_RETURN(const std::string signature,
                        GetString(record, kSignature));
  Json bare = record;
  bare.erase(kSignature);
  if (!VerifySignature(key, DumpJson(bare), signature)) {
    return absl::DataLossError("the signature is not that of the record");
  }
  if (!first_key.empty() && key != first_key) {
    return absl::DataLossError(
        "it is signed with another key than the first record");
  }
  if (previous != (before == nullptr ? "" : Sha256Hex(*before))) {
    return absl::DataLossError(
        "the record before it is not the one that it follows");
  }
  RLHF_RETURN_IF_ERROR(CheckNumber(record, number));
  return record;
}

}  // namespace

absl::StatusOr<std::optional<Json>> SignedLog::Last() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  if (lines.empty()) return std::optional<Json>();
  absl::StatusOr<Json> record = ParseLine(lines.back());
  const absl::Status status =
      record.ok() ? CheckNumber(*record, lines.size()) : record.status();
  if (!status.ok()) {
    return WithContext(status, absl::StrCat(path_, ":", lines.size()));
  }
  return std::optional(*std::move(record));
}

absl::StatusOr<std::vector<Json>> SignedLog::ReadAll() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  std::vector<Json> records;
  std::string key;
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StatusOr<Json> record =
        Prove(lines[i], i + 1, i == 0 ? nullptr : &lines[i - 1], key);
    if (!record.ok()) {
      return absl::DataLossError(
          absl::StrCat(path_, ":", i + 1, ": ", record.status().message(),
                       "; this record was damaged or forged, restore the file "
                       "from a copy"));
    }
    key = record->at(kKey).get<std::string>();
    records.push_back(*std::move(record));
  }
  return records;
}

absl::Status SignedLog::Append(Json record) const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> lines, ReadLines(path_));
  RLHF_ASSIGN_OR_RETURN(const SigningKey key,
                        SigningKey::LoadOrCreate(key_path_));
  record[kSeq] = lines.size() + 1;
  record[kPrevious] = lines.empty() ? "" : Sha256Hex(lines.back());
  record[kKey] = key.public_hex();
  record[kSignature] = key.Sign(DumpJson(record));
  std::error_code missing;
  const auto size = std::filesystem::file_size(path_, missing);
  absl::Status status = AppendLine(path_, DumpJson(record));
  if (status.ok()) status = SyncPath(path_);
  if (!status.ok()) {
    // Whoever is told of an error gives the record again, under this number.
    std::error_code ignored;
    std::filesystem::resize_file(path_, missing ? 0 : size, ignored);
  }
  return status;
}

void RemoveChain(Json& record) {
  for (const char* member : {kSeq, kPrevious, kKey, kSignature}) {
    record.erase(member);
  }
}

}  // namespace rlhf
