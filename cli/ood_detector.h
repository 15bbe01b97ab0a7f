// What `rlhf ood fit` writes and the others read: distances and examples of
// ordinary activations, for one model at one layer.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/nn/transformer.h"
#include "trainer/preference/auroc.h"
#include "trainer/preference/ood.h"

namespace rlhf {

struct OodDetector {
  // In [0, num_layers]; as for Transformer::HiddenAfter.
  int64_t layer = 0;
  // ParameterHash of the model.
  std::string model_hash;
  GaussianFit fit;
  // What it was fitted on; a classifier needs it again.
  ActivationRows ordinary;
};

// Errors: as WriteFileAtomically.
absl::Status WriteOodDetector(const std::string& path,
                              const OodDetector& detector);

// Errors: as ReadFile; InvalidArgument if the file is no detector, damaged, or
// made with another model than `model`.
absl::StatusOr<OodDetector> ReadOodDetector(const std::string& path,
                                            const Transformer& model);

struct OodEvaluation {
  Auroc mahalanobis, relative;
  // AUROC of the exposed classifier, by draw.
  std::vector<double> exposed;
};

// Tells ordinary rows, none of which the detector was made of, from outliers.
// The classifier is shown `shots` outliers and measured on the others, 5 times
// (Bai et al. 2022, B.9); which ones is the same on every run.
//
// Errors: InvalidArgument unless 1 <= shots < outliers and shots is at most the
// number of rows that the detector was made of; those of GaussianFit::Score and
// ExposureClassifier::Fit.
absl::StatusOr<OodEvaluation> EvaluateOodDetector(
    const OodDetector& detector, const ActivationRows& ordinary,
    const ActivationRows& outliers, int64_t shots);

}  // namespace rlhf
