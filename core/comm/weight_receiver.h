// Receives buckets of one version over TCP from one source.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/comm/weight_version.h"

namespace rlhf {

struct ReceiveOptions {
  // A source that sends nothing for so long is given up. A relay sends a bucket
  // once all of it is proven, so this bounds how slow a relay may be.
  absl::Duration stall = absl::Seconds(5);
  // Called every 250 ms or more often, with the bytes of the version that are
  // here, proven or not; an error ends the receiving. May be empty.
  std::function<absl::Status(uint64_t)> tick;
};

// Receives from `source`, HOST:PORT, what `version` lacks, into it. What was
// proven stays whatever happens: another call, to any source, goes on after it.
//
// Errors: those of `tick`; Unavailable if there is no connection or it broke;
// NotFound if the source does not have the version; DeadlineExceeded if it
// stands still; DataLoss if it sent what is not the version.
absl::Status ReceiveWeights(const std::string& source, WeightVersion& version,
                            const ReceiveOptions& options);

}  // namespace rlhf
