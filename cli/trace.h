// One rollout, as the spans of a run tell of it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

// A span as a file of OTLP/JSON lines has it, and the process that wrote it.
struct TracedSpan {
  std::string role;
  Json span;
};

// Every span in the files of `folder`. Lines that are no spans are passed over:
// a process may have been killed while it wrote one.
// Errors: as ReadFile.
absl::StatusOr<std::vector<TracedSpan>> ReadTraces(const std::string& folder);

// A line for each span of the rollout `rollout_id`, in the order in which they
// began: when, how long, who, what. With the calls that were made for it,
// together with others or not.
// Errors: NotFound if no span is of it.
absl::StatusOr<std::vector<std::string>> DescribeTrace(
    const std::vector<TracedSpan>& spans, const std::string& rollout_id);

}  // namespace rlhf
