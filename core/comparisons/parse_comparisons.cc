#include "core/comparisons/parse_comparisons.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/argilla.h"
#include "core/comparisons/argilla_responses.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/csv.h"
#include "core/comparisons/csv_comparisons.h"
#include "core/comparisons/label_studio.h"
#include "core/comparisons/preference_pair.h"
#include "core/comparisons/record_comparisons.h"
#include "core/text/byte_level.h"
#include "core/text/prompt_id.h"
#include "core/text/prompt_set.h"
#include "google/protobuf/util/json_util.h"

namespace rlhf {
namespace {

constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxProblemsShown = 10;

absl::Status CheckLength(const char* field, const std::string& text,
                         size_t most) {
  if (text.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("\"", field, "\" has ", text.size(), " bytes; at most ",
                   most, " are allowed"));
}

bool IsPrintable(absl::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char byte) {
    return byte < 0x20 || byte == 0x7F;
  });
}

// The names are shown, and everything is read by people.
absl::Status CheckTexts(const v1::Comparison& comparison) {
  for (const v1::Message& message : comparison.prompt().messages()) {
    RLHF_RETURN_IF_ERROR(
        CheckLength("prompt", message.content(), kMaxTextBytes));
  }
  const std::pair<const char*, const std::string&> texts[] = {
      {"response_a", comparison.response_a()},
      {"response_b", comparison.response_b()},
      {"edited_response", comparison.edited_response()}};
  for (const auto& [field, text] : texts) {
    RLHF_RETURN_IF_ERROR(CheckLength(field, text, kMaxTextBytes));
  }
  RLHF_RETURN_IF_ERROR(
      CheckLength("comment", comparison.comment(), kMaxRemarkBytes));
  RLHF_RETURN_IF_ERROR(
      CheckLength("skip_reason", comparison.skip_reason(), kMaxRemarkBytes));
  RLHF_RETURN_IF_ERROR(
      CheckLength("comparison_id", comparison.comparison_id(), kMaxIdBytes));
  const std::pair<const char*, const std::string&> names[] = {
      {"worker_id", comparison.worker_id()},
      {"worker_group", comparison.worker_group()},
      {"source", comparison.source()},
      {"interface_version", comparison.interface_version()}};
  for (const auto& [field, name] : names) {
    RLHF_RETURN_IF_ERROR(CheckLength(field, name, kMaxWorkerNameBytes));
    if (IsPrintable(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", field, "\" holds characters that cannot be printed"));
  }
  return absl::OkStatus();
}

absl::Status Validate(const v1::Comparison& comparison) {
  RLHF_RETURN_IF_ERROR(
      WithContext(CheckPrompt(comparison.prompt().messages()), "prompt"));
  if (!v1::Choice_IsValid(comparison.choice()) ||
      comparison.choice() == v1::CHOICE_UNSPECIFIED ||
      comparison.choice() == v1::RETRACTED) {
    return absl::InvalidArgumentError(
        "\"choice\" must be A_BETTER, B_BETTER, TIE, BOTH_BAD or SKIPPED");
  }
  const bool is_decided = IsDecided(comparison);
  const int most = is_decided ? 3 : 0;
  const int least = is_decided ? 1 : 0;
  if (comparison.strength() < least || comparison.strength() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"strength\" is ", comparison.strength(),
                     "; it must be 1 to 3 for a better side, else 0"));
  }
  if (!comparison.edited_response().empty() &&
      (!is_decided || comparison.task_kind() == v1::RED_TEAM)) {
    return absl::InvalidArgumentError(
        "\"edited_response\" may be given for a better side of a helpful task "
        "only: it stands above both");
  }
  if (!(comparison.worker_seconds() >= 0 &&
        comparison.worker_seconds() <= kMaxWorkerSeconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"worker_seconds\" is ", comparison.worker_seconds(),
                     "; it must be from 0 to ", kMaxWorkerSeconds));
  }
  return CheckTexts(comparison);
}

// Names the comparison by its content alone, not by the file that it comes in.
void NameByContent(v1::Comparison& comparison) {
  comparison.mutable_prompt()->set_prompt_id(
      PromptId(comparison.prompt().messages()));
  comparison.set_comparison_id(absl::StrCat(
      "import-", Sha256Hex(comparison.SerializeAsString()).substr(0, 32)));
}

// Proto JSON has two spellings for a field.
bool Names(const Json& json, const char* name, const char* camel_name) {
  return json.contains(name) || json.contains(camel_name);
}

// A record of our own export.
absl::StatusOr<v1::Comparison> FromOwnFormat(const Json& json) {
  v1::Comparison comparison;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(DumpJson(json), &comparison);
  if (!parsed.ok()) {
    return absl::InvalidArgumentError(
        absl::string_view(parsed.message().data(), parsed.message().size()));
  }
  comparison.clear_seq();
  comparison.clear_committed_unix_ms();
  // 0 would say that the initial policy wrote them.
  if (!Names(json, "policy_version_a", "policyVersionA")) {
    comparison.set_policy_version_a(-1);
  }
  if (!Names(json, "policy_version_b", "policyVersionB")) {
    comparison.set_policy_version_b(-1);
  }
  return comparison;
}

// A record that knows only which of two answers was better.
absl::StatusOr<v1::Comparison> FromPair(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(PreferencePair pair, ReadPreferencePair(json));
  return MakeComparison(pair.prompt, std::move(pair.chosen),
                        std::move(pair.rejected), {v1::A_BETTER, 1});
}

// One that has an id of ours keeps it.
absl::StatusOr<RecordComparisons> FromOneOfOurs(
    absl::StatusOr<v1::Comparison> comparison) {
  RecordComparisons record;
  if (comparison.ok()) {
    RLHF_RETURN_IF_ERROR(Validate(*comparison));
    comparison->mutable_prompt()->set_prompt_id(
        PromptId(comparison->prompt().messages()));
    if (comparison->comparison_id().empty()) NameByContent(*comparison);
  }
  RLHF_RETURN_IF_ERROR(AddJudgement(std::move(comparison), "", record));
  return record;
}

// The ids of others are unique only where they come from.
absl::StatusOr<RecordComparisons> FromOthers(
    absl::StatusOr<RecordComparisons> record) {
  RLHF_RETURN_IF_ERROR(record.status());
  for (v1::Comparison& comparison : record->comparisons) {
    NameByContent(comparison);
    RLHF_RETURN_IF_ERROR(Validate(comparison));
  }
  return record;
}

// Whether a record of our own says what was on the left. One that was imported
// as a pair, and exported since, has the member and knows nothing.
bool OursKnowsSides(const Json& json) {
  return Names(json, "shown_swapped", "shownSwapped") &&
         !(json.contains("source") && json.at("source").is_string() &&
           absl::StartsWith(json.at("source").get<std::string>(), "import:"));
}

struct Record {
  RecordComparisons comparisons;
  bool sides_known = true;
};

absl::StatusOr<Record> ReadRecord(const Json& json) {
  Record record;
  if (IsArgillaRecord(json)) {
    RLHF_ASSIGN_OR_RETURN(record.comparisons,
                          FromOthers(ReadArgillaRecord(json)));
  } else if (IsLabelStudioTask(json)) {
    RLHF_ASSIGN_OR_RETURN(record.comparisons,
                          FromOthers(ReadLabelStudioTask(json)));
  } else if (json.contains("response_a")) {
    RLHF_ASSIGN_OR_RETURN(record.comparisons,
                          FromOneOfOurs(FromOwnFormat(json)));
    record.sides_known = OursKnowsSides(json);
  } else {
    RLHF_ASSIGN_OR_RETURN(record.comparisons, FromOneOfOurs(FromPair(json)));
    record.sides_known = false;
  }
  return record;
}

// Takes the records of a file in.
class Collector {
 public:
  explicit Collector(absl::string_view name)
      : name_(name), source_(absl::StrCat("import:", name)) {}

  // Record `number`, which messages call `where`.
  void Add(int64_t number, absl::string_view where,
           absl::StatusOr<Record> record) {
    if (!record.ok()) return AddMalformed(where, record.status());
    ++read_.num_records;
    for (v1::Comparison& comparison : record->comparisons.comparisons) {
      if (comparison.source().empty()) comparison.set_source(source_);
      if (comparison.worker_id().empty()) {
        comparison.set_worker_id(comparison.source());
      }
      read_.parsed.comparisons.push_back(std::move(comparison));
      read_.parsed.sides_known.push_back(record->sides_known);
    }
    for (std::string& reason : record->comparisons.left_out) {
      read_.parsed.refused.push_back({number, std::move(reason)});
    }
  }

  void AddMalformed(absl::string_view where, const absl::Status& status) {
    ++read_.num_records;
    ++read_.num_malformed;
    if (read_.malformed.size() == kMaxProblemsShown) return;
    read_.malformed.push_back(
        absl::StrCat(name_, where, ": ", status.message()));
  }

  ReadableComparisons Finish() && { return std::move(read_); }

 private:
  const std::string name_;
  const std::string source_;
  ReadableComparisons read_;
};

absl::StatusOr<Record> ReadLine(absl::string_view line) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
  if (json.is_object()) return ReadRecord(json);
  return absl::InvalidArgumentError("the line is no JSON object");
}

void ReadLines(absl::string_view text, Collector& collector) {
  int64_t line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    collector.Add(line_number, absl::StrCat(":", line_number), ReadLine(line));
  }
}

void ReadArray(absl::string_view text, Collector& collector) {
  const absl::StatusOr<Json> array = ParseJson(text);
  if (!array.ok()) return collector.AddMalformed("", array.status());
  int64_t number = 0;
  for (const Json& json : *array) {
    const std::string which = absl::StrCat("record ", ++number);
    absl::StatusOr<Record> record =
        json.is_object() ? ReadRecord(json)
                         : absl::InvalidArgumentError("it is no JSON object");
    if (record.ok()) {
      for (std::string& reason : record->comparisons.left_out) {
        reason = absl::StrCat(which, ": ", reason);
      }
    }
    collector.Add(number, absl::StrCat(": ", which), std::move(record));
  }
}

absl::StatusOr<Record> ReadCsvRecord(const ComparisonColumns& columns,
                                     const std::vector<std::string>& fields) {
  RecordComparisons read;
  RLHF_RETURN_IF_ERROR(
      AddJudgement(ReadCsvComparison(columns, fields), "", read));
  Record record;
  RLHF_ASSIGN_OR_RETURN(record.comparisons, FromOthers(std::move(read)));
  return record;
}

void ReadCsv(absl::string_view text, Collector& collector) {
  const absl::StatusOr<std::vector<CsvRecord>> records = ParseCsv(text);
  if (!records.ok()) return collector.AddMalformed("", records.status());
  if (records->empty()) return;
  const CsvRecord& header = records->front();
  const auto columns = FindComparisonColumns(header.fields);
  if (!columns.ok()) {
    return collector.AddMalformed(absl::StrCat(":", header.line),
                                  columns.status());
  }
  for (size_t i = 1; i < records->size(); ++i) {
    const CsvRecord& record = (*records)[i];
    collector.Add(record.line, absl::StrCat(":", record.line),
                  ReadCsvRecord(*columns, record.fields));
  }
}

}  // namespace

ReadableComparisons ParseReadable(absl::string_view text,
                                  absl::string_view name) {
  Collector collector(name);
  if (ReplaceInvalidUtf8(text) != text) {
    collector.AddMalformed(
        "",
        absl::InvalidArgumentError(
            "it is not UTF-8 text: unpack what is packed (.gz, .zip, .xlsx), "
            "or save it as UTF-8"));
    return std::move(collector).Finish();
  }
  text = absl::StripPrefix(text, "\xEF\xBB\xBF");
  const absl::string_view begin =
      absl::StripLeadingAsciiWhitespace(text).substr(0, 1);
  if (begin == "[") {
    ReadArray(text, collector);
  } else if (begin != "{" && absl::EndsWithIgnoreCase(name, ".csv")) {
    ReadCsv(text, collector);
  } else {
    ReadLines(text, collector);
  }
  return std::move(collector).Finish();
}

absl::StatusOr<ParsedComparisons> ParseComparisons(absl::string_view text,
                                                   absl::string_view name) {
  ReadableComparisons read = ParseReadable(text, name);
  if (read.malformed.empty()) return std::move(read.parsed);
  return absl::InvalidArgumentError(absl::StrCat(
      absl::StrJoin(read.malformed, "\n"), "\nnothing was imported"));
}

absl::StatusOr<ParsedComparisons> ReadComparisons(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  return ParseComparisons(text, path.substr(path.rfind('/') + 1));
}

}  // namespace rlhf
