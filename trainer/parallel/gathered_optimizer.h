// The optimizer's state as it is written down: per weight, whatever the ranks
// hold of it.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/optim/adamw.h"
#include "trainer/parallel/trained_model.h"

namespace rlhf {

// As optimizer.ExportState() of one rank that holds all of `model`, whose
// parameters() the optimizer changes. Collective; empty on ranks other than 0
// if sharded. The tensors may share memory with the optimizer.
absl::StatusOr<NamedTensors> GatherOptimizer(const AdamW& optimizer,
                                             const TrainedModel& model);

// The other way; `state` may hold that of other models, too.
// Errors: InvalidArgument, naming a tensor that is missing or misshapen.
absl::Status ScatterOptimizer(const NamedTensors& state,
                              const TrainedModel& model, AdamW& optimizer);

}  // namespace rlhf
