// How far a prompt's activation vector at one layer lies from those of the
// prompts that a model was made for (Bai et al. 2022, §5.4).
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

// Activation vectors, one a row: [num_rows, dimension], row-major.
struct ActivationRows {
  size_t num_rows() const {
    return dimension == 0 ? 0 : values.size() / dimension;
  }

  size_t dimension = 0;
  std::vector<double> values;
};

// Distances of one vector x, unitless; larger is further out.
struct OodScore {
  // (x - mu)^T Sigma^-1 (x - mu).
  double mahalanobis = 0;
  // Simplified relative Mahalanobis: that minus (x - mu)^T diag(Sigma)^-1
  // (x - mu), which leaves what no coordinate shows by itself. May be negative.
  double relative = 0;
};

// Mean mu and covariance Sigma of ordinary activations. Immutable; const
// methods may run at once.
class GaussianFit {
 public:
  // Fits on `rows`, with 1/N in the covariance. The paper states no
  // regularisation; two are ours:
  //   - every entry of Sigma off its diagonal is multiplied by 1 - a. a is
  //     `shrinkage` in [0, 1], or else what the estimator for correlations of
  //     Schäfer & Strimmer 2005 (Stat. Appl. Genet. Mol. Biol. 4:32, §2.4)
  //     takes for best with so many rows, within [1e-6, 1]. With a = 1 the
  //     relative score is 0 everywhere.
  //   - variances below 1e-9 of the mean variance are raised to that, so that a
  //     coordinate that never changed can be divided by. It then adds alike to
  //     both distances, nothing to the relative score.
  //
  // O(N D² + D³) time; two matrices of D² numbers.
  //
  // Errors: InvalidArgument for fewer than 2 rows, rows that are all the same,
  // a number that is not finite, `shrinkage` outside [0, 1], or too little of
  // it to invert Sigma.
  static absl::StatusOr<GaussianFit> Fit(
      const ActivationRows& rows,
      std::optional<double> shrinkage = std::nullopt);

  // What ToJson gave, to the last bit; a checksum stands in it.
  //
  // Errors: InvalidArgument if it is no fit, or a damaged one.
  static absl::StatusOr<GaussianFit> FromJson(const Json& json);
  Json ToJson() const;

  // One score per row. O(D²) time each.
  //
  // Errors: as Standardize.
  absl::StatusOr<std::vector<OodScore>> Score(const ActivationRows& rows) const;

  // (x - mu) / sqrt(diag(Sigma)) of each row.
  //
  // Errors: InvalidArgument if the rows have another dimension than the fit, or
  // hold a number that is not finite.
  absl::StatusOr<std::vector<double>> Standardize(
      const ActivationRows& rows) const;

  size_t dimension() const { return mean_.size(); }
  // That it was fitted on.
  size_t num_rows() const { return num_rows_; }
  // The a above, given or found.
  double shrinkage() const { return shrinkage_; }

  // mu and sqrt(diag(Sigma)).
  const std::vector<double>& mean() const { return mean_; }
  const std::vector<double>& deviation() const { return deviation_; }

 private:
  GaussianFit() = default;
  absl::Status FindMoments(const ActivationRows& rows);
  bool IsUsable() const;

  size_t num_rows_ = 0;
  double shrinkage_ = 0;
  std::vector<double> mean_;
  std::vector<double> deviation_;
  // Sigma = S L L^T S with S = diag(deviation_): the lower triangular L, [D,
  // D].
  std::vector<double> factor_;
};

}  // namespace rlhf
