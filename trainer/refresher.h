// The refresher: watches the preference store, trains a candidate PM when there
// are enough fresh comparisons, measures it, asks the gate, promotes.
#pragma once

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Runs until shutdown is requested. Every PM starts from the configured initial
// model and trains on all comparisons so far (the paper's way: retrained from
// scratch on the merged data, §4.5).
//
// Writes into the run directory:
//   registry/pm/NNNNNN/  every candidate, promoted or not
//   pms.jsonl            one PmReport a line
//
// Errors: those of bad configuration or input; of the disk.
absl::Status RunRefresher(const v1::RunConfig& config);

}  // namespace rlhf
