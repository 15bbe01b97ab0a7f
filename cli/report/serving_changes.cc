#include "cli/report/serving_changes.h"

namespace rlhf {
namespace {

int64_t VersionOf(const Aliases& aliases, const std::string& alias) {
  const auto found = aliases.find(alias);
  return found == aliases.end() ? 0 : found->second;
}

}  // namespace

std::vector<ServingChange> ServingChanges(
    const std::vector<Transition>& transitions) {
  std::vector<ServingChange> changes;
  int64_t serving = 0, previous = 0;
  for (const Transition& transition : transitions) {
    const int64_t now = VersionOf(transition.aliases, "serving");
    const int64_t before = VersionOf(transition.aliases, "previous");
    if (now != serving) {
      changes.push_back(
          {.time = transition.time,
           .from = serving,
           .to = now,
           .by = transition.cause.by,
           .reason = transition.cause.reason,
           .taken_back = now != 0 && now == previous && before == serving});
    }
    serving = now;
    previous = before;
  }
  return changes;
}

}  // namespace rlhf
