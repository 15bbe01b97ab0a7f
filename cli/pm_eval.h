// How good a preference model is on pairs from a file.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "core/base/json.h"

namespace rlhf {

// Scores the comparisons in `path` (every form that `rlhf feedback import`
// reads) with the PM in `model_directory` and prints accuracy, calibration,
// bias, slices, agreement with workers and scores by tranche, as a table or as
// one JSON object. `device` is what FindDevice takes.
//
// Errors: those of FindDevice, LoadPm and ParseComparisons; InvalidArgument if
// no line of the file is a preference that the PM can read.
absl::Status EvaluatePm(const std::string& model_directory,
                        const std::string& path, const std::string& device,
                        bool json);

// A measurement as ToJson(PmMeasurement) gives it and a PM's card holds it, as
// tables for people.
void PrintMeasurement(const Json& found);

// The traits of workers as ToJson(WorkerModel) gives them and a card holds
// them.
void PrintWorkerModel(const Json& workers);

}  // namespace rlhf
