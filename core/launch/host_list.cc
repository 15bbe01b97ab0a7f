#include "core/launch/host_list.h"

#include <cstdint>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace rlhf {
namespace {

absl::Status NotATaskList(const std::string& text, int node) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" does not say how many tasks node ", node,
                   " has; wanted such as 2(x3),1"));
}

}  // namespace

absl::StatusOr<std::string> FirstHost(const std::string& host_list) {
  std::string host;
  bool in_brackets = false;
  bool skipping = false;  // the rest of the brackets
  for (const char c : host_list) {
    if (c == '[') {
      in_brackets = true;
    } else if (c == ']') {
      in_brackets = skipping = false;
    } else if (in_brackets && (c == '-' || c == ',')) {
      skipping = true;
    } else if (c == ',') {
      break;
    } else if (!skipping) {
      host += c;
    }
  }
  if (host.empty() || in_brackets) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", host_list, "\" is no list of hosts such as node[01-03],login"));
  }
  return host;
}

absl::StatusOr<int> TasksOnNode(const std::string& tasks_per_node, int node) {
  int64_t first = 0;
  for (absl::string_view part : absl::StrSplit(tasks_per_node, ',')) {
    int tasks = 0, nodes = 1;
    const std::pair<absl::string_view, absl::string_view> halves =
        absl::StrSplit(part, absl::MaxSplits("(x", 1));
    absl::string_view repeat = halves.second;
    if (!absl::SimpleAtoi(halves.first, &tasks) || tasks < 1 ||
        (!repeat.empty() && (!absl::ConsumeSuffix(&repeat, ")") ||
                             !absl::SimpleAtoi(repeat, &nodes) || nodes < 1))) {
      return NotATaskList(tasks_per_node, node);
    }
    if (node < first + nodes) return tasks;
    first += nodes;
  }
  return NotATaskList(tasks_per_node, node);
}

}  // namespace rlhf
