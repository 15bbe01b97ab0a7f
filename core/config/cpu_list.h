// Lists of cores as taskset and cpuset write them: "0-3,8".
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace rlhf {

// Cores are numbered below this.
inline constexpr int kMaxCpus = 1024;

// The cores of `text`, ascending, each once; none if it is empty.
// Errors: InvalidArgument if it is not of that form.
absl::StatusOr<std::vector<int>> ParseCpuList(const std::string& text);

// What process `index` of `count` gets of them: its own part as far as there
// are as many cores as processes, else all.
std::vector<int> ShareOfCpus(const std::vector<int>& cpus, int index,
                             int count);

}  // namespace rlhf
