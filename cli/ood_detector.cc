#include "cli/ood_detector.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "trainer/parameter_hash.h"
#include "trainer/preference/outlier_exposure.h"

namespace rlhf {
namespace {

constexpr uint64_t kDraws = 5;
constexpr char kFormat[] = "rlhf ood detector 1";

std::string Checksum(const std::string& text) {
  return absl::StrFormat("%016x", Xxh3(text));
}

// Activations come as float32, so nothing is lost.
std::string Encode(const ActivationRows& rows) {
  const std::vector<float> floats(rows.values.begin(), rows.values.end());
  return absl::Base64Escape(
      absl::string_view(reinterpret_cast<const char*>(floats.data()),
                        floats.size() * sizeof(float)));
}

// The rows that `fit` was made of.
absl::StatusOr<ActivationRows> DecodeRows(const Json& json,
                                          const GaussianFit& fit) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, GetString(json, "rows"));
  RLHF_ASSIGN_OR_RETURN(const std::string checksum,
                        GetString(json, "rows_xxh3"));
  const size_t count = fit.num_rows() * fit.dimension();
  std::string bytes;
  if (Checksum(text) != checksum || !absl::Base64Unescape(text, &bytes) ||
      bytes.size() != count * sizeof(float)) {
    return absl::InvalidArgumentError(
        "\"rows\" is damaged; make the detector again");
  }
  std::vector<float> floats(count);
  std::memcpy(floats.data(), bytes.data(), bytes.size());
  return ActivationRows{.dimension = fit.dimension(),
                        .values = {floats.begin(), floats.end()}};
}

absl::StatusOr<OodDetector> ParseDetector(const std::string& text) {
  RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(text));
  const auto format = GetString(json, "format");
  if (!format.ok() || *format != kFormat || !json.contains("fit") ||
      !json.contains("layer") || !json.at("layer").is_number_integer()) {
    return absl::InvalidArgumentError(
        "no detector; wanted what `rlhf ood fit` writes");
  }
  RLHF_ASSIGN_OR_RETURN(std::string hash, GetString(json, "model_hash"));
  RLHF_ASSIGN_OR_RETURN(GaussianFit fit, GaussianFit::FromJson(json.at("fit")));
  RLHF_ASSIGN_OR_RETURN(ActivationRows rows, DecodeRows(json, fit));
  return OodDetector{.layer = json.at("layer").get<int64_t>(),
                     .model_hash = std::move(hash),
                     .fit = std::move(fit),
                     .ordinary = std::move(rows)};
}

ActivationRows Select(const ActivationRows& rows,
                      absl::Span<const size_t> indexes) {
  ActivationRows selected{.dimension = rows.dimension, .values = {}};
  for (const size_t index : indexes) {
    const double* row = &rows.values[index * rows.dimension];
    selected.values.insert(selected.values.end(), row, row + rows.dimension);
  }
  return selected;
}

// [0, count) in an order that `draw` decides.
std::vector<size_t> Shuffled(size_t count, uint64_t draw) {
  std::vector<size_t> order(count);
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [draw](size_t a, size_t b) {
    return MixHash(draw, a) < MixHash(draw, b);
  });
  return order;
}

Auroc AurocOf(const std::vector<OodScore>& ordinary,
              const std::vector<OodScore>& outliers, double OodScore::*member) {
  const auto column = [member](const std::vector<OodScore>& scores) {
    std::vector<double> values;
    for (const OodScore& score : scores) values.push_back(score.*member);
    return values;
  };
  return ComputeAuroc(column(ordinary), column(outliers));
}

// Of the classifier that was shown `shots` of the outliers, on the others.
absl::StatusOr<double> ExposedAuroc(const OodDetector& detector,
                                    const ActivationRows& ordinary,
                                    const ActivationRows& outliers,
                                    size_t shots, uint64_t draw) {
  const std::vector<size_t> order = Shuffled(outliers.num_rows(), draw);
  const auto split = absl::MakeConstSpan(order);
  RLHF_ASSIGN_OR_RETURN(
      const ExposureClassifier classifier,
      ExposureClassifier::Fit(detector.fit, detector.ordinary,
                              Select(outliers, split.first(shots))));
  const ActivationRows unseen = Select(outliers, split.subspan(shots));
  return ComputeAuroc(classifier.Score(ordinary), classifier.Score(unseen))
      .value;
}

}  // namespace

absl::Status WriteOodDetector(const std::string& path,
                              const OodDetector& detector) {
  const std::string rows = Encode(detector.ordinary);
  const Json json = {{"format", kFormat},
                     {"layer", detector.layer},
                     {"model_hash", detector.model_hash},
                     {"fit", detector.fit.ToJson()},
                     {"rows", rows},
                     {"rows_xxh3", Checksum(rows)}};
  return WriteFileAtomically(path, absl::StrCat(DumpJson(json), "\n"));
}

absl::StatusOr<OodDetector> ReadOodDetector(const std::string& path,
                                            const Transformer& model) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  absl::StatusOr<OodDetector> detector = ParseDetector(text);
  if (!detector.ok()) return WithContext(detector.status(), path);
  const auto dimension = static_cast<int64_t>(detector->fit.dimension());
  if (dimension != model.config().hidden_size) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": made for activations of dimension ", dimension,
                     "; the model's have ", model.config().hidden_size));
  }
  if (detector->model_hash != ParameterHash(model.parameters())) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": made with other weights than the model's; fit it again"));
  }
  return detector;
}

absl::StatusOr<OodEvaluation> EvaluateOodDetector(
    const OodDetector& detector, const ActivationRows& ordinary,
    const ActivationRows& outliers, int64_t shots) {
  const auto count = static_cast<int64_t>(outliers.num_rows());
  if (shots < 1 || shots >= count) {
    return absl::InvalidArgumentError(
        absl::StrCat(shots, " shots of ", count,
                     " outliers; wanted at least 1, and some left to measure"));
  }
  RLHF_ASSIGN_OR_RETURN(const auto low_scores, detector.fit.Score(ordinary));
  RLHF_ASSIGN_OR_RETURN(const auto high_scores, detector.fit.Score(outliers));
  OodEvaluation found{
      .mahalanobis = AurocOf(low_scores, high_scores, &OodScore::mahalanobis),
      .relative = AurocOf(low_scores, high_scores, &OodScore::relative),
      .exposed = {}};
  for (uint64_t draw = 0; draw < kDraws; ++draw) {
    RLHF_ASSIGN_OR_RETURN(found.exposed.emplace_back(),
                          ExposedAuroc(detector, ordinary, outliers,
                                       static_cast<size_t>(shots), draw));
  }
  return found;
}

}  // namespace rlhf
