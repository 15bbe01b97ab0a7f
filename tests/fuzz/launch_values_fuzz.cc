// What launchers and people say of hosts, tasks, cores and addresses, as
// NAME=VALUE, one a line: core/launch/ and core/config/.
#include <limits>
#include <map>

#include "core/base/check.h"
#include "core/config/address.h"
#include "core/config/cpu_list.h"
#include "core/launch/host_list.h"
#include "core/launch/launch_environment.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

void ReadValue(const std::string& value) {
  CheckExplained(FirstHost(value).status());
  for (const int node : {0, 1, std::numeric_limits<int>::max()}) {
    const auto tasks = TasksOnNode(value, node);
    CheckExplained(tasks.status());
    RLHF_CHECK(!tasks.ok() || *tasks >= 1);
  }
  const auto cpus = ParseCpuList(value);
  CheckExplained(cpus.status());
  if (cpus.ok()) {
    RLHF_CHECK(cpus->size() <= static_cast<size_t>(kMaxCpus));
    for (int i = 0; i < 3; ++i) ShareOfCpus(*cpus, i, 3);
  }
  for (const bool has_tls : {false, true}) {
    CheckExplained(CheckAddress(value, has_tls));
    const auto addresses = SplitAddresses(value, has_tls);
    CheckExplained(addresses.status());
    RLHF_CHECK(!addresses.ok() || !addresses->empty());
  }
}

RLHF_FUZZ_TARGET(launch_values) {
  std::map<std::string, std::string> environment;
  while (!input.empty()) {
    absl::string_view line = TakePart("\n", input);
    const std::string name(TakePart("=", line));
    ReadValue(std::string(line));
    environment[name] = std::string(line);
  }
  const auto launch = DetectLaunch(environment);
  CheckExplained(launch.status(), {absl::StatusCode::kInvalidArgument});
  if (!launch.ok()) return;
  RLHF_CHECK(launch->rank >= 0 && launch->rank < launch->world_size)
      << launch->OneLine();
  RLHF_CHECK(launch->local_rank >= 0 &&
             launch->local_rank < launch->local_world_size)
      << launch->OneLine();
}

}  // namespace
}  // namespace rlhf
