// How far workers agree, beyond chance.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/types/span.h"

namespace rlhf {

// Cohen's kappa of two raters (Educ. Psychol. Meas. 20, 1960): values of the
// same items, in order, equally many. 1: always equal, 0: as chance, below:
// less. Nullopt without items, or if both always say one and the same.
std::optional<double> CohenKappa(absl::Span<const int> a,
                                 absl::Span<const int> b);

// What distance between two values counts.
enum class Scale {
  // Equal or not.
  kNominal,
  // How many of all values lie between them.
  kOrdinal,
};

// The values that raters gave to items, as pairs of values of one item
// (Krippendorff, "Computing Krippendorff's Alpha-Reliability", 2011). Items may
// have any number of values; those with fewer than two say nothing.
//
// Thread-compatible. Its size does not depend on the number of items.
class Coincidences {
 public:
  // Values are 0 to num_values - 1; on an ordinal scale, in their order.
  explicit Coincidences(int num_values);

  // One item's values.
  void Add(absl::Span<const int> values) { Count(values, 1); }
  // Takes back an item that was added with the same values.
  void Remove(absl::Span<const int> values) { Count(values, -1); }

  // Pairs of values of one item.
  int64_t num_pairs() const { return num_pairs_; }

  // Krippendorff's alpha. Nullopt without pairs, or if all values are one.
  std::optional<double> Alpha(Scale scale) const;

  // Fleiss' kappa (Psychol. Bull. 76, 1971), which asks for equally many values
  // of each item; where they differ, an item weighs by their number. Nullopt as
  // for Alpha.
  std::optional<double> FleissKappa() const;

 private:
  void Count(absl::Span<const int> values, int sign);
  double At(int a, int b) const { return counts_[a * num_values_ + b]; }
  // How often each value occurs in pairs, and their sum.
  std::vector<double> Totals() const;
  double SquaredDistance(Scale scale, const std::vector<double>& totals, int a,
                         int b) const;

  const int num_values_;
  // Row by row: each ordered pair of an item of m values counts 1 / (m - 1).
  std::vector<double> counts_;
  int64_t num_pairs_ = 0;
};

}  // namespace rlhf
