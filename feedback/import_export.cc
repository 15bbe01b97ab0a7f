#include "feedback/import_export.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/atomic_file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "google/protobuf/util/json_util.h"

namespace rlhf {
namespace {

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

absl::StatusOr<std::string> ComparisonLine(const v1::Comparison& comparison) {
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

absl::StatusOr<std::string> ExportLine(const v1::Comparison& comparison,
                                       ExportFormat format) {
  if (comparison.choice() == v1::RETRACTED) return std::string();
  if (format == ExportFormat::kRlhf) {
    RLHF_ASSIGN_OR_RETURN(std::string line, ComparisonLine(comparison));
    return line + "\n";
  }
  return IsTrainable(comparison) ? TrlLine(comparison) + "\n" : std::string();
}

absl::StatusOr<std::string> ComparisonLines(
    const std::vector<v1::Comparison>& comparisons) {
  std::string lines;
  for (const v1::Comparison& comparison : comparisons) {
    RLHF_ASSIGN_OR_RETURN(const std::string line, ComparisonLine(comparison));
    absl::StrAppend(&lines, line, "\n");
  }
  return lines;
}

absl::StatusOr<int64_t> ForEachExportLine(
    int64_t num_comparisons, const ComparisonReader& read, ExportFormat format,
    const std::function<absl::Status(absl::string_view line)>& take) {
  int64_t num_lines = 0;
  RLHF_RETURN_IF_ERROR(
      ForEachComparison(1, num_comparisons, read,
                        [&](const v1::Comparison& comparison) -> absl::Status {
                          RLHF_ASSIGN_OR_RETURN(const std::string line,
                                                ExportLine(comparison, format));
                          if (line.empty()) return absl::OkStatus();
                          ++num_lines;
                          return take(line);
                        }));
  return num_lines;
}

absl::StatusOr<int64_t> ExportComparisons(int64_t num_comparisons,
                                          const ComparisonReader& read,
                                          const std::string& path,
                                          ExportFormat format) {
  RLHF_ASSIGN_OR_RETURN(AtomicFile file, AtomicFile::Create(path));
  RLHF_ASSIGN_OR_RETURN(const int64_t num_lines,
                        ForEachExportLine(num_comparisons, read, format,
                                          [&](absl::string_view line) {
                                            return file.Append(line);
                                          }));
  RLHF_RETURN_IF_ERROR(file.Commit());
  return num_lines;
}

}  // namespace rlhf
