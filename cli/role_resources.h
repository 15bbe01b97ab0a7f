// Which cores and how many threads each process of `rlhf up` gets
// (up.resources).
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

struct ProcessResources {
  std::vector<int> cpus;  // empty: all
  int threads = 0;        // of the role; a learner's ranks divide them
};

// Of process `index` of the `count` of one role.
ProcessResources ResourcesOf(const v1::RunConfig& config,
                             const std::string& role, int index, int count);

// The cores that this process may run on, ascending.
std::vector<int> CpusOfThisProcess();

// InvalidArgument, naming the field, if a role is given cores that this process
// may not run on.
absl::Status CheckCpusAreHere(const v1::RunConfig& config);

}  // namespace rlhf
