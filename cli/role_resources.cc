#include "cli/role_resources.h"

#include <sched.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/config/cpu_list.h"

namespace rlhf {
std::vector<int> CpusOfThisProcess() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

ProcessResources ResourcesOf(const v1::RunConfig& config,
                             const std::string& role, int index, int count) {
  ProcessResources result = {.threads = config.threads()};
  for (const v1::RoleResources& resources : config.up().resources()) {
    if (resources.role() != role) continue;
    if (resources.threads() > 0) result.threads = resources.threads();
    // Checked when the configuration was read.
    const auto cpus = ParseCpuList(resources.cpus());
    if (cpus.ok()) result.cpus = ShareOfCpus(*cpus, index, count);
  }
  return result;
}

absl::Status CheckCpusAreHere(const v1::RunConfig& config) {
  const std::vector<int> ours = CpusOfThisProcess();
  for (int i = 0; i < config.up().resources_size(); ++i) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<int> wanted,
                          ParseCpuList(config.up().resources(i).cpus()));
    std::vector<int> missing;
    for (const int cpu : wanted) {
      if (std::find(ours.begin(), ours.end(), cpu) == ours.end()) {
        missing.push_back(cpu);
      }
    }
    if (missing.empty()) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "up.resources[", i, "].cpus: ", absl::StrJoin(missing, ","),
        " are not among the cores that this process may use (",
        absl::StrJoin(ours, ","), ")"));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
