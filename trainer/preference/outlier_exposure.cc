#include "trainer/preference/outlier_exposure.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "trainer/preference/cholesky.h"

namespace rlhf {
namespace {

constexpr int kMaxNewtonSteps = 100;
constexpr int kMaxInnerSteps = 1000;
constexpr double kGradientTolerance = 1e-8;

// Some rows, each with its class and its share of the mean.
class Logistic {
 public:
  // Every row of `x` [R, size] ends with a 1, whose coefficient is the bias.
  // The first `num_ordinary` are class 0, the others class 1 and count `copies`
  // times.
  Logistic(std::vector<double> x, size_t size, size_t num_ordinary,
           double copies, double l2)
      : x_(std::move(x)), size_(size), l2_(l2) {
    const size_t count = x_.size() / size;
    const double total = static_cast<double>(num_ordinary) +
                         copies * static_cast<double>(count - num_ordinary);
    for (size_t k = 0; k < count; ++k) {
      sign_.push_back(k < num_ordinary ? -1 : 1);
      share_.push_back((k < num_ordinary ? 1 : copies) / total);
    }
  }

  // The best coefficients.
  absl::StatusOr<std::vector<double>> Minimize() const {
    std::vector<double> theta(size_), logits(sign_.size());
    for (int step = 0; step < kMaxNewtonSteps; ++step) {
      const std::vector<double> gradient = Gradient(theta, logits);
      if (std::sqrt(Dot(gradient, gradient)) < kGradientTolerance) return theta;
      Advance(gradient, Direction(gradient, logits), theta, logits);
    }
    return absl::InternalError(
        absl::StrCat("the classifier does not converge within ",
                     kMaxNewtonSteps, " Newton steps"));
  }

 private:
  std::vector<double> Times(const std::vector<double>& v) const {
    std::vector<double> product;
    for (size_t k = 0; k < x_.size(); k += size_) {
      product.push_back(Dot(&x_[k], v.data(), size_));
    }
    return product;
  }

  // x^T row_terms + l2 v, the bias unpenalised.
  std::vector<double> Pull(const std::vector<double>& row_terms,
                           const std::vector<double>& v) const {
    std::vector<double> sum(size_);
    for (size_t i = 0; i + 1 < size_; ++i) sum[i] = l2_ * v[i];
    for (size_t k = 0; k < row_terms.size(); ++k) {
      Add(row_terms[k], &x_[k * size_], sum);
    }
    return sum;
  }

  // The probability that it gives to the class which row k is not of.
  double Wrong(size_t k, double logit) const {
    return 1 / (1 + std::exp(sign_[k] * logit));
  }

  double Loss(const std::vector<double>& theta,
              const std::vector<double>& logits) const {
    double loss = l2_ / 2 * Dot(theta.data(), theta.data(), size_ - 1);
    for (size_t k = 0; k < logits.size(); ++k) {
      const double x = -sign_[k] * logits[k];
      loss +=
          share_[k] * (std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x))));
    }
    return loss;
  }

  std::vector<double> Gradient(const std::vector<double>& theta,
                               const std::vector<double>& logits) const {
    std::vector<double> terms;
    for (size_t k = 0; k < logits.size(); ++k) {
      terms.push_back(-sign_[k] * share_[k] * Wrong(k, logits[k]));
    }
    return Pull(terms, theta);
  }

  // H v, of the Hessian where the logits are these.
  std::vector<double> HessianTimes(const std::vector<double>& v,
                                   const std::vector<double>& logits) const {
    std::vector<double> terms = Times(v);
    for (size_t k = 0; k < terms.size(); ++k) {
      const double wrong = Wrong(k, logits[k]);
      terms[k] *= share_[k] * wrong * (1 - wrong);
    }
    return Pull(terms, v);
  }

  // About -H^-1 gradient: conjugate gradients until a thousandth is left.
  std::vector<double> Direction(const std::vector<double>& gradient,
                                const std::vector<double>& logits) const {
    std::vector<double> direction(size_), residual(size_);
    Add(-1, gradient.data(), residual);
    std::vector<double> search = residual;
    double norm = Dot(residual, residual);
    const double enough = 1e-6 * norm;
    for (int i = 0; i < kMaxInnerSteps && norm > enough; ++i) {
      const std::vector<double> image = HessianTimes(search, logits);
      const double step = norm / Dot(search, image);
      Add(step, search.data(), direction);
      Add(-step, image.data(), residual);
      const double next = Dot(residual, residual);
      for (double& entry : search) entry *= next / norm;
      Add(1, residual.data(), search);
      norm = next;
    }
    return direction;
  }

  // Goes along `direction` until the loss falls as its slope promises (Armijo),
  // rounding aside.
  void Advance(const std::vector<double>& gradient,
               const std::vector<double>& direction, std::vector<double>& theta,
               std::vector<double>& logits) const {
    constexpr double kShare = 1e-4, kRounding = 1e-14, kShortest = 1e-10;
    const std::vector<double> change = Times(direction);
    const double loss = Loss(theta, logits), slope = Dot(gradient, direction);
    for (double length = 1;; length /= 2) {
      std::vector<double> next = theta, next_logits = logits;
      Add(length, direction.data(), next);
      Add(length, change.data(), next_logits);
      if (Loss(next, next_logits) <=
              loss + kShare * length * slope + kRounding ||
          length < kShortest) {
        theta = std::move(next);
        logits = std::move(next_logits);
        return;
      }
    }
  }

  const std::vector<double> x_;
  const size_t size_;
  const double l2_;
  // Of each row: 1 or -1 by its class, and its part of the mean.
  std::vector<double> sign_, share_;
};

// The rows of z [R, size], with a 1 after each, go to the end of `x`.
void Append(const std::vector<double>& z, size_t size, std::vector<double>& x) {
  for (size_t k = 0; k < z.size(); k += size) {
    x.insert(x.end(), &z[k], &z[k] + size);
    x.push_back(1);
  }
}

absl::Status CheckExamples(size_t num_ordinary, size_t num_harmful, double l2) {
  if (num_harmful < 1 || num_ordinary < num_harmful) {
    return absl::InvalidArgumentError(absl::StrCat(
        num_ordinary, " ordinary examples and ", num_harmful,
        " harmful ones; wanted at least one harmful one, and no more of them "
        "than of the ordinary"));
  }
  if (l2 > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("l2 is ", l2, ", wanted above 0"));
}

}  // namespace

absl::StatusOr<ExposureClassifier> ExposureClassifier::Fit(
    const GaussianFit& fit, const ActivationRows& ordinary,
    const ActivationRows& harmful, double l2) {
  const size_t num_ordinary = ordinary.num_rows();
  const size_t num_harmful = harmful.num_rows();
  RLHF_RETURN_IF_ERROR(CheckExamples(num_ordinary, num_harmful, l2));
  const size_t size = fit.dimension();
  std::vector<double> x;
  for (const ActivationRows* rows : {&ordinary, &harmful}) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<double> z, fit.Standardize(*rows));
    Append(z, size, x);
  }
  const auto copies = static_cast<double>(num_ordinary / num_harmful);
  RLHF_ASSIGN_OR_RETURN(
      const std::vector<double> theta,
      Logistic(std::move(x), size + 1, num_ordinary, copies, l2).Minimize());
  ExposureClassifier classifier;
  classifier.bias_ = theta[size];
  for (size_t i = 0; i < size; ++i) {
    classifier.weight_.push_back(theta[i] / fit.deviation()[i]);
    classifier.bias_ -= classifier.weight_[i] * fit.mean()[i];
  }
  return classifier;
}

std::vector<double> ExposureClassifier::Score(
    const ActivationRows& rows) const {
  RLHF_CHECK(rows.dimension == weight_.size()) << rows.dimension;
  std::vector<double> scores;
  for (size_t k = 0; k < rows.values.size(); k += rows.dimension) {
    const double logit =
        bias_ + Dot(&rows.values[k], weight_.data(), rows.dimension);
    scores.push_back(1 / (1 + std::exp(-logit)));
  }
  return scores;
}

}  // namespace rlhf
