#include "trainer/preference/outlier_exposure.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/preference/auroc.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

ActivationRows Part(const ActivationRows& rows, size_t begin, size_t count) {
  const auto first =
      rows.values.begin() + static_cast<ptrdiff_t>(begin * rows.dimension);
  return {.dimension = rows.dimension,
          .values = {first,
                     first + static_cast<ptrdiff_t>(count * rows.dimension)}};
}

// Independent standard normal coordinates; the first is moved by `shift`.
ActivationRows Shifted(size_t count, size_t dimension, double shift,
                       uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  ActivationRows rows{.dimension = dimension, .values = {}};
  for (size_t k = 0; k < count * dimension; ++k) {
    rows.values.push_back(normal(random) + (k % dimension == 0 ? shift : 0));
  }
  return rows;
}

// Four pairs of coordinates go together in ordinary rows and against each other
// in outliers, while each coordinate is spread alike in both; thirty others,
// independent, are large or small as a whole, in both.
ActivationRows Planted(size_t count, bool outliers, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  ActivationRows rows{.dimension = 38, .values = {}};
  for (size_t k = 0; k < count; ++k) {
    for (int pair = 0; pair < 4; ++pair) {
      const double first = normal(random);
      rows.values.push_back(first);
      rows.values.push_back((outliers ? -0.8 : 0.8) * first +
                            0.6 * normal(random));
    }
    const double size = std::exp(0.5 * normal(random));
    for (int i = 0; i < 30; ++i) rows.values.push_back(size * normal(random));
  }
  return rows;
}

double AurocOf(const GaussianFit& fit, const ActivationRows& ordinary,
               const ActivationRows& outliers, double OodScore::*member) {
  const auto scores = [&](const ActivationRows& rows) {
    std::vector<double> result;
    const auto found = fit.Score(rows);
    for (const OodScore& score : *found) {
      result.push_back(score.*member);
    }
    return result;
  };
  return ComputeAuroc(scores(ordinary), scores(outliers)).value;
}

TEST(OutlierDetectionTest, RelativeFindsWhatTheSpreadOfOthersHides) {
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(Planted(2000, false, 1)));
  const ActivationRows ordinary = Planted(400, false, 2);
  const ActivationRows outliers = Planted(400, true, 3);
  const double plain = AurocOf(fit, ordinary, outliers, &OodScore::mahalanobis);
  EXPECT_GT(plain, 0.55);
  EXPECT_GT(AurocOf(fit, ordinary, outliers, &OodScore::relative),
            plain + 0.15);
}

// Along one of 30 coordinates, 2.5 deviations away: hardly further out, but
// always the same way.
TEST(OutlierDetectionTest, TenShotsFindAWayThatDistanceDoesNotKnow) {
  const ActivationRows train = Shifted(1000, 30, 0, 4);
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(train));
  const ActivationRows ordinary = Shifted(400, 30, 0, 5);
  const ActivationRows outliers = Shifted(410, 30, 2.5, 6);
  ASSERT_OK_AND_ASSIGN(
      const ExposureClassifier classifier,
      ExposureClassifier::Fit(fit, train, Part(outliers, 0, 10)));
  const ActivationRows unseen = Part(outliers, 10, 400);
  const double exposed =
      ComputeAuroc(classifier.Score(ordinary), classifier.Score(unseen)).value;
  EXPECT_GT(exposed, 0.8);
  EXPECT_GT(exposed,
            AurocOf(fit, ordinary, unseen, &OodScore::mahalanobis) + 0.1);
  EXPECT_GT(exposed, AurocOf(fit, ordinary, unseen, &OodScore::relative) + 0.2);
}

// The objective as the header defines it, with the copies made.
double Objective(const GaussianFit& fit, const ActivationRows& ordinary,
                 const ActivationRows& harmful, double l2,
                 const std::vector<double>& weight, double bias) {
  double loss = 0, count = 0;
  const auto add = [&](const ActivationRows& rows, double sign) {
    for (size_t k = 0; k < rows.num_rows(); ++k) {
      double logit = bias;
      for (size_t i = 0; i < rows.dimension; ++i) {
        logit += weight[i] * rows.values[k * rows.dimension + i];
      }
      loss += std::log(1 + std::exp(-sign * logit));
      ++count;
    }
  };
  add(ordinary, -1);
  for (size_t copy = 0; copy < ordinary.num_rows() / harmful.num_rows();
       ++copy) {
    add(harmful, 1);
  }
  double penalty = 0;
  for (size_t i = 0; i < weight.size(); ++i) {
    penalty += std::pow(weight[i] * fit.deviation()[i], 2);
  }
  return loss / count + l2 / 2 * penalty;
}

// The objective is convex: where its slope is 0 it is least. 23 ordinary rows
// and 4 harmful ones make 5 copies of these.
TEST(ExposureClassifierTest, TheObjectiveHasNoSlopeWhereItEnds) {
  ActivationRows ordinary = Shifted(23, 3, 0, 7);
  for (size_t k = 1; k < ordinary.values.size(); k += 3) {
    ordinary.values[k] = 40 + 9 * ordinary.values[k];
  }
  ActivationRows harmful = Shifted(4, 3, 1, 8);
  for (size_t k = 1; k < harmful.values.size(); k += 3) {
    harmful.values[k] = 45 + 9 * harmful.values[k];
  }
  const double l2 = 0.02;
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(ordinary));
  ASSERT_OK_AND_ASSIGN(const ExposureClassifier classifier,
                       ExposureClassifier::Fit(fit, ordinary, harmful, l2));
  const auto objective = [&](size_t place, double step) {
    std::vector<double> weight = classifier.weight();
    double bias = classifier.bias();
    (place < weight.size() ? weight[place] : bias) += step;
    return Objective(fit, ordinary, harmful, l2, weight, bias);
  };
  for (size_t place = 0; place <= 3; ++place) {
    constexpr double kStep = 1e-6;
    EXPECT_NEAR(
        (objective(place, kStep) - objective(place, -kStep)) / (2 * kStep), 0,
        2e-6)
        << place;
    EXPECT_LT(objective(place, 0), objective(place, 0.1)) << place;
    EXPECT_LT(objective(place, 0), objective(place, -0.1)) << place;
  }
  // The scores are the logits' probabilities.
  const double logit = classifier.bias() + 2 * classifier.weight()[1];
  EXPECT_NEAR(classifier.Score({.dimension = 3, .values = {0, 2, 0}})[0],
              1 / (1 + std::exp(-logit)), 1e-15);
}

TEST(ExposureClassifierTest, RefusesWhatCannotBeBalanced) {
  const ActivationRows ordinary = Shifted(5, 3, 0, 9);
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(ordinary));
  EXPECT_THAT(ExposureClassifier::Fit(fit, ordinary, Shifted(6, 3, 1, 10)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("5 ordinary examples and 6 harmful ones")));
  EXPECT_THAT(ExposureClassifier::Fit(fit, ordinary, {.dimension = 3}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("wanted at least one harmful one")));
  EXPECT_THAT(ExposureClassifier::Fit(fit, ordinary, Shifted(1, 2, 1, 11)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("dimension 2; wanted 3")));
  EXPECT_THAT(ExposureClassifier::Fit(fit, ordinary, ordinary, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("l2 is 0, wanted above 0")));
}

}  // namespace
}  // namespace rlhf
