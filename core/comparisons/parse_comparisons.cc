#include "core/comparisons/parse_comparisons.h"

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
#include "core/comparisons/check_comparison.h"
#include "core/comparisons/csv.h"
#include "core/comparisons/csv_comparisons.h"
#include "core/comparisons/label_studio.h"
#include "core/comparisons/preference_pair.h"
#include "core/comparisons/record_comparisons.h"
#include "core/text/byte_level.h"
#include "core/text/prompt_id.h"
#include "google/protobuf/util/json_util.h"

namespace rlhf {
namespace {

constexpr size_t kMaxProblemsShown = 10;
constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Names the comparison by its content alone, not by the file that it comes in,
// nor by when it was made: the same answer confirmed is no other.
void NameByContent(v1::Comparison& comparison) {
  comparison.mutable_prompt()->set_prompt_id(
      PromptId(comparison.prompt().messages()));
  v1::Comparison content = comparison;
  content.clear_judgement_key();
  content.clear_judged_unix_ms();
  comparison.set_comparison_id(absl::StrCat(
      "import-", Sha256Hex(content.SerializeAsString()).substr(0, 32)));
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
  comparison.clear_replaced_by();
  // Told by ReadRecord, once it has its name: it does not belong to what is
  // named.
  comparison.clear_sides_known();
  // 0 would say that the initial policy wrote them.
  if (!Names(json, "policy_version_a", "policyVersionA")) {
    comparison.set_policy_version_a(-1);
  }
  if (!Names(json, "policy_version_b", "policyVersionB")) {
    comparison.set_policy_version_b(-1);
  }
  return comparison;
}

// What is none of the forms, with the members that it has.
absl::Status UnknownForm(const Json& json) {
  std::vector<std::string> names;
  for (const auto& [name, value] : json.items()) names.push_back(name);
  return absl::InvalidArgumentError(absl::StrCat(
      "the record has no form that is known: wanted chosen and rejected (TRL, "
      "HH-RLHF), response_a, response_b and choice (ours), fields and "
      "responses "
      "(Argilla), or data and annotations (Label Studio); found ",
      ListedNames(names), "; docs/import.md shows each"));
}

// A record that knows only which of two answers was better.
absl::StatusOr<v1::Comparison> FromPair(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(PreferencePair pair, ReadPreferencePair(json));
  RLHF_ASSIGN_OR_RETURN(
      v1::Comparison comparison,
      MakeComparison(pair.prompt, std::move(pair.chosen),
                     std::move(pair.rejected), {v1::A_BETTER, 1}));
  RLHF_ASSIGN_OR_RETURN(*comparison.mutable_worker_id(), FindWorkerName(json));
  return comparison;
}

// One that has an id of ours keeps it.
absl::StatusOr<RecordComparisons> FromOneOfOurs(
    absl::StatusOr<v1::Comparison> comparison) {
  RecordComparisons record;
  if (comparison.ok()) {
    RLHF_RETURN_IF_ERROR(CheckComparison(*comparison));
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
    RLHF_RETURN_IF_ERROR(CheckComparison(comparison));
  }
  return record;
}

// Whether a record of our own says what was on the left. One that was written
// before `sides_known` was there tells by the rest: one that was imported as a
// pair, and exported then, has `shown_swapped` and knows nothing.
bool OursKnowsSides(const Json& json) {
  for (const char* const name : {"sides_known", "sidesKnown"}) {
    if (json.contains(name)) return json.at(name) == Json(true);
  }
  return Names(json, "shown_swapped", "shownSwapped") &&
         !(json.contains("source") && json.at("source").is_string() &&
           absl::StartsWith(json.at("source").get<std::string>(), "import:"));
}

RecordComparisons WithSides(RecordComparisons record, bool known) {
  for (v1::Comparison& comparison : record.comparisons) {
    comparison.set_sides_known(known);
  }
  return record;
}

absl::StatusOr<RecordComparisons> ReadRecord(const Json& json) {
  RecordComparisons record;
  if (IsArgillaRecord(json)) {
    RLHF_ASSIGN_OR_RETURN(record, FromOthers(ReadArgillaRecord(json)));
  } else if (IsLabelStudioTask(json)) {
    RLHF_ASSIGN_OR_RETURN(record, FromOthers(ReadLabelStudioTask(json)));
  } else if (json.contains("response_a")) {
    RLHF_ASSIGN_OR_RETURN(record, FromOneOfOurs(FromOwnFormat(json)));
    return WithSides(std::move(record), OursKnowsSides(json));
  } else if (!json.contains("chosen") && !json.contains("rejected")) {
    return UnknownForm(json);
  } else {
    RLHF_ASSIGN_OR_RETURN(record, FromOneOfOurs(FromPair(json)));
    return WithSides(std::move(record), false);
  }
  return WithSides(std::move(record), true);
}

// Takes the records of a file in.
class Collector {
 public:
  explicit Collector(absl::string_view name)
      : name_(name), source_(absl::StrCat("import:", name)) {}

  // Record `number`, which messages call `where`.
  void Add(int64_t number, absl::string_view where,
           absl::StatusOr<RecordComparisons> record) {
    if (!record.ok()) return AddMalformed(where, record.status());
    ++read_.num_records;
    for (v1::Comparison& comparison : record->comparisons) {
      if (comparison.source().empty()) comparison.set_source(source_);
      if (comparison.worker_id().empty()) {
        comparison.set_worker_id(comparison.source());
      }
      read_.parsed.comparisons.push_back(std::move(comparison));
      read_.parsed.lines.push_back(number);
    }
    for (std::string& reason : record->left_out) {
      read_.parsed.refused.push_back({number, std::move(reason)});
    }
  }

  void AddMalformed(absl::string_view where, const absl::Status& status) {
    ++read_.num_records;
    ++read_.num_malformed;
    if (read_.malformed.size() == kMaxProblemsShown) return;
    // Whoever found the fault may have quoted a part of a character.
    read_.malformed.push_back(
        ReplaceInvalidUtf8(absl::StrCat(name_, where, ": ", status.message())));
  }

  ReadableComparisons Finish() && { return std::move(read_); }

 private:
  const std::string name_;
  const std::string source_;
  ReadableComparisons read_;
};

absl::StatusOr<RecordComparisons> ReadLine(absl::string_view line) {
  absl::StatusOr<Json> parsed = ParseJson(line);
  if (!parsed.ok() && !absl::StartsWith(line, "{")) {
    return absl::InvalidArgumentError(absl::StrCat(
        parsed.status().message(), "; a CSV file's name must end in .csv"));
  }
  RLHF_ASSIGN_OR_RETURN(const Json json, std::move(parsed));
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
    absl::StatusOr<RecordComparisons> record =
        json.is_object() ? ReadRecord(json)
                         : absl::InvalidArgumentError("it is no JSON object");
    if (record.ok()) {
      for (std::string& reason : record->left_out) {
        reason = absl::StrCat(which, ": ", reason);
      }
    }
    collector.Add(number, absl::StrCat(": ", which), std::move(record));
  }
}

absl::StatusOr<RecordComparisons> ReadCsvRecord(
    const ComparisonColumns& columns, const std::vector<std::string>& fields) {
  RecordComparisons read;
  RLHF_RETURN_IF_ERROR(
      AddJudgement(ReadCsvComparison(columns, fields), "", read));
  RLHF_ASSIGN_OR_RETURN(read, FromOthers(std::move(read)));
  return WithSides(std::move(read), true);
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

absl::string_view BeginOf(absl::string_view text) {
  text = absl::StripPrefix(text, kByteOrderMark);
  return absl::StripLeadingAsciiWhitespace(text).substr(0, 1);
}

bool IsNamedCsv(absl::string_view name) {
  return absl::EndsWithIgnoreCase(name, ".csv");
}

}  // namespace

bool HasKnownForm(absl::string_view text, absl::string_view name) {
  const absl::string_view begin = BeginOf(text);
  return begin == "[" || begin == "{" || IsNamedCsv(name);
}

ReadableComparisons ParseReadable(absl::string_view text,
                                  absl::string_view name) {
  Collector collector(name);
  text = absl::StripPrefix(text, kByteOrderMark);
  const absl::string_view begin = BeginOf(text);
  if (begin != "[" && begin != "{" && IsNamedCsv(name)) {
    ReadCsv(text, collector);  // and tells on which line it is no UTF-8
  } else if (ReplaceInvalidUtf8(text) != text) {
    collector.AddMalformed(
        "",
        absl::InvalidArgumentError(
            "it is not UTF-8 text: unpack what is packed (.gz, .zip, .xlsx), "
            "or save it as UTF-8"));
  } else if (begin == "[") {
    ReadArray(text, collector);
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
