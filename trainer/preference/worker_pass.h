// A first pass over comparisons, to know the workers by.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/transformer.h"
#include "trainer/preference/pm_trainer.h"
#include "trainer/preference/worker_model.h"

namespace rlhf {

// Trains a model on each half of the prompts, as TrainPreferenceModel does, and
// fits the workers to what each says of the other half: a model that has
// learned a choice finds it right, whoever made it. Edits train the models and
// are not asked about. `start` makes a model to
// train. Takes as long as one training on all of them; the models are thrown
// away.
//
// Prompts of one half alone tell nothing: the result is empty then. Errors: as
// TrainPreferenceModel; those of `start`.
absl::StatusOr<WorkerModel> FitWorkersByHalves(
    const std::vector<PmExample>& examples,
    const std::function<absl::StatusOr<Transformer>()>& start,
    const PmTrainerOptions& options, const PmProgress& progress);

}  // namespace rlhf
