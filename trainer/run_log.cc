#include "trainer/run_log.h"

#include <map>
#include <utility>

#include "core/base/json_lines.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

// The last of those with the same number, by rising number.
template <typename T, typename NumberOf>
std::vector<T> LastOfEach(const std::vector<T>& all, NumberOf&& number_of) {
  std::map<int64_t, T> by_number;
  for (const T& one : all) by_number[number_of(one)] = one;
  std::vector<T> last;
  for (auto& [number, one] : by_number) last.push_back(std::move(one));
  return last;
}

}  // namespace

absl::StatusOr<std::vector<v1::UpdateReport>> ReadUpdates(
    const std::string& run_directory) {
  RLHF_ASSIGN_OR_RETURN(
      const auto lines,
      ReadJsonLines<v1::UpdateReport>(run_directory + "/metrics.jsonl"));
  return LastOfEach(lines, [](const auto& report) { return report.update(); });
}

double UpdateSeconds(const v1::UpdateReport& update) {
  return update.generation_seconds() + update.advantage_seconds() +
         update.update_seconds() + update.broadcast_seconds() +
         update.checkpoint_seconds();
}

absl::StatusOr<std::vector<v1::PmReport>> ReadPmReports(
    const std::string& run_directory) {
  RLHF_ASSIGN_OR_RETURN(const auto lines, ReadJsonLines<v1::PmReport>(
                                              run_directory + "/pms.jsonl"));
  return LastOfEach(lines,
                    [](const auto& report) { return report.pm().version(); });
}

std::optional<v1::PmReport> ReportOf(const Json& card) {
  v1::PmReport report;
  if (!card.contains("report") ||
      !JsonToProto(DumpJson(card["report"]), &report).ok()) {
    return std::nullopt;
  }
  return report;
}

}  // namespace rlhf
