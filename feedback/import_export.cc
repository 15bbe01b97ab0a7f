#include "feedback/import_export.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/text/prompt_id.h"
#include "core/text/prompt_set.h"
#include "feedback/preference_pair.h"
#include "google/protobuf/util/json_util.h"

namespace rlhf {
namespace {

constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxProblemsShown = 10;
// Comparisons read from the store at once.
constexpr int64_t kPageRows = 1000;

bool IsDecided(const v1::Comparison& comparison) {
  return comparison.choice() == v1::A_BETTER ||
         comparison.choice() == v1::B_BETTER;
}

absl::Status Validate(const v1::Comparison& comparison) {
  RLHF_RETURN_IF_ERROR(
      WithContext(CheckPrompt(comparison.prompt().messages()), "prompt"));
  if (!v1::Choice_IsValid(comparison.choice()) ||
      comparison.choice() == v1::CHOICE_UNSPECIFIED) {
    return absl::InvalidArgumentError(
        "\"choice\" must be A_BETTER, B_BETTER, TIE, BOTH_BAD or SKIPPED");
  }
  const int most = IsDecided(comparison) ? 3 : 0;
  const int least = IsDecided(comparison) ? 1 : 0;
  if (comparison.strength() < least || comparison.strength() > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"strength\" is ", comparison.strength(),
                     "; it must be 1 to 3 for a better side, else 0"));
  }
  if (comparison.comparison_id().size() > kMaxIdBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"comparison_id\" has ", comparison.comparison_id().size(),
        " bytes; at most ", kMaxIdBytes, " are allowed"));
  }
  return absl::OkStatus();
}

// Proto JSON has two spellings for a field.
bool Names(const Json& json, const char* name, const char* camel_name) {
  return json.contains(name) || json.contains(camel_name);
}

// A line of our own export.
absl::StatusOr<v1::Comparison> FromOwnFormat(const std::string& line,
                                             const Json& json) {
  v1::Comparison comparison;
  const auto parsed =
      google::protobuf::util::JsonStringToMessage(line, &comparison);
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

// A line that knows only which of two answers was better.
absl::StatusOr<v1::Comparison> FromPair(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(PreferencePair pair, ReadPreferencePair(json));
  v1::Comparison comparison;
  *comparison.mutable_prompt() = std::move(pair.prompt);
  comparison.set_response_a(std::move(pair.chosen));
  comparison.set_response_b(std::move(pair.rejected));
  comparison.set_choice(v1::A_BETTER);
  comparison.set_strength(1);
  comparison.set_policy_version_a(-1);
  comparison.set_policy_version_b(-1);
  return comparison;
}

absl::StatusOr<v1::Comparison> ParseLine(const std::string& line,
                                         absl::string_view name) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
  if (!json.is_object()) {
    return absl::InvalidArgumentError("the line is no JSON object");
  }
  RLHF_ASSIGN_OR_RETURN(
      v1::Comparison comparison,
      json.contains("response_a") ? FromOwnFormat(line, json) : FromPair(json));
  RLHF_RETURN_IF_ERROR(Validate(comparison));
  comparison.mutable_prompt()->set_prompt_id(
      PromptId(comparison.prompt().messages()));
  // Of its content alone, not of the file that it comes in.
  if (comparison.comparison_id().empty()) {
    comparison.set_comparison_id(absl::StrCat(
        "import-", Sha256Hex(comparison.SerializeAsString()).substr(0, 32)));
  }
  if (comparison.source().empty()) {
    comparison.set_source(absl::StrCat("import:", name));
  }
  if (comparison.worker_id().empty()) {
    comparison.set_worker_id(comparison.source());
  }
  return comparison;
}

ImportReport MakeReport(const std::vector<PreferenceStore::Appended>& appended,
                        std::vector<RefusedLine> refused) {
  ImportReport report;
  for (const PreferenceStore::Appended& one : appended) {
    ++(one.duplicate ? report.num_duplicates : report.num_accepted);
  }
  report.refused = std::move(refused);
  return report;
}

absl::StatusOr<std::string> OwnLine(const v1::Comparison& comparison) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  // A line says everything: policy version 0 is the initial policy, none is
  // unknown.
  options.always_print_primitive_fields = true;
  std::string line;
  const auto printed =
      google::protobuf::util::MessageToJsonString(comparison, &line, options);
  if (!printed.ok()) {
    return absl::InternalError(absl::StrCat("comparison ", comparison.seq(),
                                            " cannot be written as JSON"));
  }
  return line;
}

std::string TrlLine(const v1::Comparison& comparison) {
  Json prompt = Json::array();
  for (const v1::Message& message : comparison.prompt().messages()) {
    prompt.push_back(
        {{"role", message.role()}, {"content", message.content()}});
  }
  const auto answer = [](const std::string& text) {
    return Json::array({{{"role", "assistant"}, {"content", text}}});
  };
  const bool a_better = comparison.choice() == v1::A_BETTER;
  return DumpJson({{"prompt", std::move(prompt)},
                   {"chosen", answer(a_better ? comparison.response_a()
                                              : comparison.response_b())},
                   {"rejected", answer(a_better ? comparison.response_b()
                                                : comparison.response_a())}});
}

}  // namespace

absl::StatusOr<ParsedComparisons> ParseComparisons(absl::string_view text,
                                                   absl::string_view name) {
  ParsedComparisons parsed;
  std::vector<std::string> malformed;
  int64_t line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    line = absl::StripAsciiWhitespace(line);
    if (line.empty()) continue;
    auto comparison = ParseLine(std::string(line), name);
    if (comparison.ok()) {
      parsed.comparisons.push_back(*std::move(comparison));
    } else if (absl::IsFailedPrecondition(comparison.status())) {
      parsed.refused.push_back(
          {line_number, std::string(comparison.status().message())});
    } else if (malformed.size() < kMaxProblemsShown) {
      malformed.push_back(absl::StrCat(name, ":", line_number, ": ",
                                       comparison.status().message()));
    }
  }
  if (!malformed.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(absl::StrJoin(malformed, "\n"), "\nnothing was imported"));
  }
  return parsed;
}

absl::StatusOr<ImportReport> ImportText(AnswerDesk* desk,
                                        absl::string_view text,
                                        absl::string_view name) {
  RLHF_ASSIGN_OR_RETURN(ParsedComparisons parsed, ParseComparisons(text, name));
  RLHF_ASSIGN_OR_RETURN(const auto appended, desk->Import(parsed.comparisons));
  return MakeReport(appended, std::move(parsed.refused));
}

absl::StatusOr<ImportReport> ImportComparisons(PreferenceStore* store,
                                               const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  RLHF_ASSIGN_OR_RETURN(
      ParsedComparisons parsed,
      ParseComparisons(text, path.substr(path.rfind('/') + 1)));
  RLHF_ASSIGN_OR_RETURN(const auto appended,
                        store->AppendAll(parsed.comparisons));
  return MakeReport(appended, std::move(parsed.refused));
}

absl::StatusOr<int64_t> ExportComparisons(int64_t num_comparisons,
                                          const ComparisonReader& read,
                                          const std::string& path,
                                          ExportFormat format) {
  std::string text;
  int64_t num_lines = 0;
  for (int64_t seq = 1; seq <= num_comparisons; seq += kPageRows) {
    RLHF_ASSIGN_OR_RETURN(
        const auto page,
        read(seq, std::min(num_comparisons, seq + kPageRows - 1)));
    for (const v1::Comparison& comparison : page) {
      if (format == ExportFormat::kRlhf) {
        RLHF_ASSIGN_OR_RETURN(const std::string line, OwnLine(comparison));
        absl::StrAppend(&text, line, "\n");
      } else if (IsDecided(comparison)) {
        absl::StrAppend(&text, TrlLine(comparison), "\n");
      } else {
        continue;
      }
      ++num_lines;
    }
  }
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(path, text));
  return num_lines;
}

}  // namespace rlhf
