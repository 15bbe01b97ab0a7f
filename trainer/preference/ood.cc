#include "trainer/preference/ood.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "trainer/preference/cholesky.h"

namespace rlhf {
namespace {

constexpr double kMinVarianceShare = 1e-9;
constexpr double kMinShrinkage = 1e-6;
constexpr char kFormat[] = "rlhf gaussian fit 1";
constexpr size_t kMaxDimension = 1 << 16;

absl::Status CheckRows(const ActivationRows& rows, size_t dimension) {
  if (rows.dimension != dimension) {
    return absl::InvalidArgumentError(
        absl::StrCat("activations of dimension ", rows.dimension, "; wanted ",
                     dimension, ", of the model and layer of the fit"));
  }
  RLHF_CHECK(rows.values.size() == rows.num_rows() * dimension);
  for (size_t i = 0; i < rows.values.size(); ++i) {
    if (std::isfinite(rows.values[i])) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "row ", i / dimension, " of the activations holds ", rows.values[i],
        " at coordinate ", i % dimension, "; wanted finite numbers"));
  }
  return absl::OkStatus();
}

// The sum of the variances of all correlations over that of their squares
// (Schäfer & Strimmer 2005). For the first, only the sum over i != j of
// (z_i z_j)² is needed of each row z: |z|⁴ less the sum of z_i⁴.
double EstimateShrinkage(const std::vector<double>& z, size_t size,
                         const std::vector<double>& correlation) {
  const auto count = static_cast<double>(z.size() / size);
  double moments = 0, squares = 0;
  for (size_t k = 0; k < z.size(); k += size) {
    double norm = 0, fourth = 0;
    for (size_t i = 0; i < size; ++i) {
      const double square = z[k + i] * z[k + i];
      norm += square;
      fourth += square * square;
    }
    moments += (norm * norm - fourth) / count;
  }
  for (size_t i = 0; i < size; ++i) {
    const double* row = &correlation[i * size];
    squares += 2 * Dot(row, row, i);
  }
  if (!(squares > 0)) return 1;
  return std::clamp((moments - squares) / ((count - 1) * squares),
                    kMinShrinkage, 1.0);
}

// Of its lower triangle; the diagonal becomes 1 also where a variance was
// raised.
void Shrink(double shrinkage, size_t size, std::vector<double>& correlation) {
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < i; ++j) correlation[i * size + j] *= 1 - shrinkage;
    correlation[i * size + i] = 1;
  }
}

std::string Encode(const std::vector<double>& numbers) {
  return absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(numbers.data()),
                        numbers.size() * sizeof(double)));
}

absl::StatusOr<std::vector<double>> Decode(const Json& json,
                                           absl::string_view key,
                                           size_t count) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, GetString(json, key));
  std::string bytes;
  if (!absl::Base64Unescape(text, &bytes) ||
      bytes.size() != count * sizeof(double)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" holds ", bytes.size(), " bytes; wanted ",
                     count, " numbers of float64 as base64"));
  }
  std::vector<double> numbers(count);
  std::memcpy(numbers.data(), bytes.data(), bytes.size());
  return numbers;
}

// Of everything else in `json`.
std::string Checksum(Json json) {
  json.erase("xxh3");
  return absl::StrFormat("%016x", Xxh3(DumpJson(json)));
}

absl::Status CheckForm(const Json& json) {
  const auto format = GetString(json, "format");
  if (!format.ok() || *format != kFormat) {
    return absl::InvalidArgumentError(
        absl::StrCat("not a Gaussian fit; wanted an object with \"format\": \"",
                     kFormat, "\""));
  }
  RLHF_ASSIGN_OR_RETURN(const std::string checksum, GetString(json, "xxh3"));
  if (const std::string found = Checksum(json); found != checksum) {
    return absl::InvalidArgumentError(
        absl::StrCat("the fit is damaged: its checksum is ", found, ", wanted ",
                     checksum, "; make it again"));
  }
  for (const char* key : {"dimension", "num_rows", "shrinkage"}) {
    if (json.contains(key) && json.at(key).is_number()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" is missing or no number"));
  }
  const auto dimension = json.at("dimension").get<double>();
  if (dimension >= 1 && dimension <= kMaxDimension) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "\"dimension\" is ", dimension, ", wanted 1 to ", kMaxDimension));
}

}  // namespace

absl::Status GaussianFit::FindMoments(const ActivationRows& rows) {
  const size_t size = rows.dimension;
  RLHF_RETURN_IF_ERROR(CheckRows(rows, size));
  num_rows_ = rows.num_rows();
  if (num_rows_ < 2) {
    return absl::InvalidArgumentError(absl::StrCat(
        num_rows_, " rows of activations; a fit takes at least 2"));
  }
  if (std::equal(rows.values.begin() + static_cast<ptrdiff_t>(size),
                 rows.values.end(), rows.values.begin())) {
    return absl::InvalidArgumentError(
        absl::StrCat("all ", num_rows_, " rows of activations are the same"));
  }
  const double share = 1 / static_cast<double>(num_rows_);
  mean_.assign(size, 0);
  for (size_t k = 0; k < num_rows_; ++k) {
    Add(share, &rows.values[k * size], mean_);
  }
  std::vector<double> variance(size);
  for (size_t k = 0; k < num_rows_; ++k) {
    for (size_t i = 0; i < size; ++i) {
      const double off = rows.values[k * size + i] - mean_[i];
      variance[i] += share * off * off;
    }
  }
  const double total = std::accumulate(variance.begin(), variance.end(), 0.0);
  const double least = kMinVarianceShare * total / static_cast<double>(size);
  for (const double entry : variance) {
    deviation_.push_back(std::sqrt(std::max(entry, least)));
  }
  return absl::OkStatus();
}

absl::StatusOr<GaussianFit> GaussianFit::Fit(const ActivationRows& rows,
                                             std::optional<double> shrinkage) {
  if (shrinkage.has_value() && !(*shrinkage >= 0 && *shrinkage <= 1)) {
    return absl::InvalidArgumentError(
        absl::StrCat("shrinkage is ", *shrinkage, ", wanted 0 to 1"));
  }
  GaussianFit fit;
  RLHF_RETURN_IF_ERROR(fit.FindMoments(rows));
  RLHF_ASSIGN_OR_RETURN(const std::vector<double> z, fit.Standardize(rows));
  const size_t size = rows.dimension;
  fit.factor_.assign(size * size, 0);
  AddGram(z, 1 / static_cast<double>(fit.num_rows_), 0, size, fit.factor_);
  fit.shrinkage_ = shrinkage.value_or(EstimateShrinkage(z, size, fit.factor_));
  Shrink(fit.shrinkage_, size, fit.factor_);
  if (!FactorInPlace(size, fit.factor_)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the covariance of ", fit.num_rows_, " rows of dimension ", size,
        " with shrinkage ", fit.shrinkage_,
        " cannot be inverted; wanted more rows or more shrinkage"));
  }
  return fit;
}

absl::StatusOr<std::vector<double>> GaussianFit::Standardize(
    const ActivationRows& rows) const {
  RLHF_RETURN_IF_ERROR(CheckRows(rows, dimension()));
  std::vector<double> z = rows.values;
  for (size_t k = 0; k < z.size(); k += dimension()) {
    for (size_t i = 0; i < dimension(); ++i) {
      z[k + i] = (z[k + i] - mean_[i]) / deviation_[i];
    }
  }
  return z;
}

absl::StatusOr<std::vector<OodScore>> GaussianFit::Score(
    const ActivationRows& rows) const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<double> z, Standardize(rows));
  std::vector<OodScore> scores(rows.num_rows());
  // kTile rows at once, as columns; the last tile ends with columns of before.
  std::vector<Lanes> columns(dimension());
  for (size_t begin = 0; begin < scores.size(); begin += kTile) {
    const size_t count = std::min(kTile, scores.size() - begin);
    Lanes diagonal{};
    for (size_t i = 0; i < dimension(); ++i) {
      for (size_t k = 0; k < count; ++k) {
        const double entry = z[(begin + k) * dimension() + i];
        columns[i][k] = entry;
        diagonal[k] += entry * entry;
      }
    }
    const Lanes full = SquaredNorms(factor_, columns);
    for (size_t k = 0; k < count; ++k) {
      scores[begin + k] = {.mahalanobis = full[k],
                           .relative = full[k] - diagonal[k]};
    }
  }
  return scores;
}

Json GaussianFit::ToJson() const {
  std::vector<double> triangle;  // row by row
  for (size_t i = 0; i < dimension(); ++i) {
    const double* row = &factor_[i * dimension()];
    triangle.insert(triangle.end(), row, row + i + 1);
  }
  Json json = {{"format", kFormat},         {"dimension", dimension()},
               {"num_rows", num_rows_},     {"shrinkage", shrinkage_},
               {"mean", Encode(mean_)},     {"deviation", Encode(deviation_)},
               {"factor", Encode(triangle)}};
  json["xxh3"] = Checksum(json);
  return json;
}

absl::StatusOr<GaussianFit> GaussianFit::FromJson(const Json& json) {
  RLHF_RETURN_IF_ERROR(CheckForm(json));
  const auto size = json.at("dimension").get<size_t>();
  GaussianFit fit;
  fit.num_rows_ = json.at("num_rows").get<size_t>();
  fit.shrinkage_ = json.at("shrinkage").get<double>();
  RLHF_ASSIGN_OR_RETURN(fit.mean_, Decode(json, "mean", size));
  RLHF_ASSIGN_OR_RETURN(fit.deviation_, Decode(json, "deviation", size));
  RLHF_ASSIGN_OR_RETURN(const std::vector<double> triangle,
                        Decode(json, "factor", size * (size + 1) / 2));
  fit.factor_.assign(size * size, 0);
  for (size_t i = 0; i < size; ++i) {
    std::copy_n(triangle.begin() + static_cast<ptrdiff_t>(i * (i + 1) / 2),
                i + 1, fit.factor_.begin() + static_cast<ptrdiff_t>(i * size));
  }
  if (fit.IsUsable()) return fit;
  return absl::InvalidArgumentError(
      "the fit holds numbers that are not finite, or deviations that are not "
      "above 0; make it again");
}

bool GaussianFit::IsUsable() const {
  const auto finite = [](const std::vector<double>& numbers) {
    return std::all_of(numbers.begin(), numbers.end(),
                       [](double x) { return std::isfinite(x); });
  };
  bool usable = finite(mean_) && finite(deviation_) && finite(factor_);
  for (size_t i = 0; i < dimension(); ++i) {
    usable &= deviation_[i] > 0 && factor_[i * (dimension() + 1)] > 0;
  }
  return usable;
}

}  // namespace rlhf
