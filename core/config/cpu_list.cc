#include "core/config/cpu_list.h"

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

// A digit first: SimpleAtoi also takes signs and blanks.
bool ParseCpu(absl::string_view text, int* cpu) {
  return !text.empty() && text[0] >= '0' && text[0] <= '9' &&
         absl::SimpleAtoi(text, cpu) && *cpu < kMaxCpus;
}

}  // namespace

absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text) {
  std::set<int> cpus;
  if (text.empty()) return std::vector<int>();
  for (const absl::string_view part : absl::StrSplit(text, ',')) {
    const std::pair<absl::string_view, absl::string_view> ends =
        absl::StrSplit(part, absl::MaxSplits('-', 1));
    const bool is_range = ends.first.size() < part.size();
    int first = 0;
    bool good = ParseCpu(ends.first, &first);
    int last = first;
    if (is_range) good = good && ParseCpu(ends.second, &last);
    if (!good || last < first) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\" is no list of cores; wanted such as ",
                       "0-3,8, below ", kMaxCpus));
    }
    for (int cpu = first; cpu <= last; ++cpu) cpus.insert(cpu);
  }
  return std::vector<int>(cpus.begin(), cpus.end());
}

std::vector<int> ShareOfCpus(const std::vector<int>& cpus, int index,
                             int count) {
  const int size = static_cast<int>(cpus.size());
  if (size < count) return cpus;
  return {cpus.begin() + index * size / count,
          cpus.begin() + (index + 1) * size / count};
}

}  // namespace rlhf
