// Slurm's short forms for many hosts and for how many tasks each has.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rlhf {

// The first host of a list such as "gpu[07-12,20],login1": "gpu07".
// Errors: InvalidArgument if the list is empty or a bracket is not closed.
absl::StatusOr<std::string> FirstHost(const std::string& host_list);

// Tasks on node `node` (from 0) of "2(x3),1", which is 2, 2, 2, 1.
// Errors: InvalidArgument if it is not of that form or has fewer nodes.
absl::StatusOr<int> TasksOnNode(const std::string& tasks_per_node, int node);

}  // namespace rlhf
