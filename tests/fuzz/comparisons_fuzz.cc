// Files of comparisons in every form (core/comparisons/parse_comparisons.h),
// and our own form that they leave in (feedback/import_export.h). Input that
// begins with "csv:" is a file whose name ends so.
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"
#include "core/comparisons/check_comparison.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/import_export.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

// What is read is written, and read as it was.
void CheckRoundTrip(const std::vector<v1::Comparison>& comparisons) {
  const auto lines = ComparisonLines(comparisons);
  RLHF_CHECK(lines.ok()) << lines.status();
  const auto again = ParseComparisons(*lines, "again.jsonl");
  RLHF_CHECK(again.ok()) << again.status();
  RLHF_CHECK(again->comparisons.size() == comparisons.size()) << *lines;
  const auto lines_again = ComparisonLines(again->comparisons);
  RLHF_CHECK(lines_again.ok() && *lines_again == *lines) << *lines;
  for (const v1::Comparison& comparison : comparisons) {
    RLHF_CHECK(ExportLine(comparison, ExportFormat::kTrl).ok());
  }
}

RLHF_FUZZ_TARGET(comparisons) {
  const bool is_csv = absl::ConsumePrefix(&input, "csv:");
  const char* const name = is_csv ? "batch.csv" : "batch.jsonl";
  const ReadableComparisons readable = ParseReadable(input, name);
  const ParsedComparisons& parsed = readable.parsed;
  RLHF_CHECK(readable.num_malformed <= readable.num_records);
  RLHF_CHECK(parsed.lines.size() == parsed.comparisons.size());
  for (const std::string& problem : readable.malformed) {
    RLHF_CHECK(absl::StartsWith(problem, name)) << problem;
  }
  for (const v1::Comparison& comparison : parsed.comparisons) {
    const absl::Status status = CheckComparison(comparison);
    RLHF_CHECK(status.ok()) << status << comparison.ShortDebugString();
  }
  const auto strict = ParseComparisons(input, name);
  CheckExplained(strict.status(), {absl::StatusCode::kInvalidArgument});
  RLHF_CHECK(strict.ok() == (readable.num_malformed == 0));
  if (!parsed.comparisons.empty()) CheckRoundTrip(parsed.comparisons);
}

}  // namespace
}  // namespace rlhf
