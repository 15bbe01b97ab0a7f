#include "core/comparisons/csv_comparisons.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// The columns with their prefixes cut off; those of another prefix are empty.
std::vector<std::string> NamesUnder(absl::string_view prefix,
                                    const std::vector<std::string>& header) {
  std::vector<std::string> names;
  for (const absl::string_view column : header) {
    const absl::string_view name = absl::StripAsciiWhitespace(column);
    if (absl::StartsWithIgnoreCase(name, prefix)) {
      names.emplace_back(name.substr(prefix.size()));
    } else {
      names.emplace_back(absl::StrContains(name, '.') ? "" : name);
    }
  }
  return names;
}

// The one column with one of `wanted` as its name, if there is one.
absl::StatusOr<std::optional<size_t>> FindColumn(
    const std::vector<std::string>& names,
    std::initializer_list<const char*> wanted) {
  std::optional<size_t> found;
  for (size_t i = 0; i < names.size(); ++i) {
    const bool matches = std::any_of(
        wanted.begin(), wanted.end(),
        [&](const char* name) { return IsSameName(names[i], name); });
    if (!matches) continue;
    if (found.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("columns ", *found + 1, " and ", i + 1, " are both ",
                       absl::StrJoin(wanted, " or "), "; remove one"));
    }
    found = i;
  }
  return found;
}

// The index of a name that is known to be there.
size_t IndexOf(const std::vector<std::string>& names, const std::string& name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) -
                             names.begin());
}

absl::Status FindTexts(const std::vector<std::string>& header,
                       ComparisonColumns& columns) {
  const std::vector<std::string> names = NamesUnder("Input.", header);
  RLHF_ASSIGN_OR_RETURN(const std::string prompt, FindPromptName(names));
  RLHF_ASSIGN_OR_RETURN(const std::vector<AnswerName> answers,
                        FindAnswerNames(names));
  if (answers.size() != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(answers.size(),
                     " columns with responses; wanted two, response_a and "
                     "response_b"));
  }
  columns.prompt = IndexOf(names, prompt);
  columns.a = answers[0];
  columns.b = answers[1];
  columns.response_a = IndexOf(names, columns.a.name);
  columns.response_b = IndexOf(names, columns.b.name);
  return absl::OkStatus();
}

absl::StatusOr<double> ReadSeconds(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return 0;
  double seconds = 0;
  if (!absl::SimpleAtod(text, &seconds)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the time is ", Quoted(text), "; wanted seconds"));
  }
  return CheckSeconds(seconds, "the time");
}

absl::StatusOr<Verdict> ReadChoice(const ComparisonColumns& columns,
                                   absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return absl::FailedPreconditionError("no choice was made");
  return VerdictOfLabels({{"choice", std::string(text)}}, columns.a, columns.b);
}

// FailedPrecondition for the states in which the platform takes no answer.
absl::Status CheckStatus(absl::string_view status) {
  for (const char* const refused : {"rejected", "returned", "timed-out"}) {
    if (!IsSameName(absl::StripAsciiWhitespace(status), refused)) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("the answer was ", refused));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ComparisonColumns> FindComparisonColumns(
    const std::vector<std::string>& header) {
  if (header.size() == 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "one column, ", Quoted(header[0]), "; wanted commas between columns"));
  }
  ComparisonColumns columns = {.num_columns = header.size()};
  RLHF_RETURN_IF_ERROR(FindTexts(header, columns));
  const std::vector<std::string> names = NamesUnder("Answer.", header);
  RLHF_ASSIGN_OR_RETURN(const std::optional<size_t> choice,
                        FindColumn(names, {"choice", "preference"}));
  if (!choice.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no choice; wanted choice or preference; found ", ListedNames(names)));
  }
  columns.choice = *choice;
  for (const char* const word : kWorkerWords) {
    if (columns.worker.has_value()) break;
    RLHF_ASSIGN_OR_RETURN(columns.worker, FindColumn(names, {word}));
  }
  RLHF_ASSIGN_OR_RETURN(columns.seconds,
                        FindColumn(names, {"work_time_in_seconds", "time_taken",
                                           "worker_seconds"}));
  RLHF_ASSIGN_OR_RETURN(columns.record,
                        FindColumn(names, {"assignment_id", "submission_id"}));
  RLHF_ASSIGN_OR_RETURN(columns.status,
                        FindColumn(names, {"assignment_status", "status"}));
  return columns;
}

absl::StatusOr<v1::Comparison> ReadCsvComparison(
    const ComparisonColumns& columns, const std::vector<std::string>& fields) {
  if (fields.size() != columns.num_columns) {
    return absl::InvalidArgumentError(
        absl::StrCat(fields.size(), " fields, but there are ",
                     columns.num_columns, " columns"));
  }
  const auto text = [&](const std::optional<size_t>& column) {
    return column.has_value() ? fields[*column] : std::string();
  };
  RLHF_ASSIGN_OR_RETURN(const double seconds,
                        ReadSeconds(text(columns.seconds)));
  RLHF_RETURN_IF_ERROR(CheckStatus(text(columns.status)));
  RLHF_ASSIGN_OR_RETURN(const Verdict verdict,
                        ReadChoice(columns, fields[columns.choice]));
  RLHF_ASSIGN_OR_RETURN(v1::Comparison comparison,
                        MakeComparison(PromptFromText(fields[columns.prompt]),
                                       fields[columns.response_a],
                                       fields[columns.response_b], verdict));
  comparison.set_worker_id(
      std::string(absl::StripAsciiWhitespace(text(columns.worker))));
  comparison.set_worker_seconds(seconds);
  comparison.set_comparison_id(text(columns.record));
  return comparison;
}

}  // namespace rlhf
