#include "trainer/preference/ood.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using Matrix = std::vector<std::vector<double>>;

// Rows of correlated coordinates of unequal scales and means.
ActivationRows Correlated(size_t count, size_t dimension, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal;
  ActivationRows rows{.dimension = dimension, .values = {}};
  for (size_t k = 0; k < count; ++k) {
    double before = 0;
    for (size_t i = 0; i < dimension; ++i) {
      before = 0.7 * before + normal(random);
      const auto place = static_cast<double>(i);
      rows.values.push_back(10 * place + (1 + place) * before);
    }
  }
  return rows;
}

// By definition, entry by entry.
Matrix Covariance(const ActivationRows& rows, double shrinkage) {
  const size_t size = rows.dimension;
  const auto count = static_cast<double>(rows.num_rows());
  std::vector<double> mean(size);
  for (size_t k = 0; k < rows.values.size(); ++k) {
    mean[k % size] += rows.values[k] / count;
  }
  Matrix result(size, std::vector<double>(size));
  for (size_t k = 0; k < rows.num_rows(); ++k) {
    for (size_t i = 0; i < size; ++i) {
      for (size_t j = 0; j < size; ++j) {
        result[i][j] += (i == j ? 1 : 1 - shrinkage) / count *
                        (rows.values[k * size + i] - mean[i]) *
                        (rows.values[k * size + j] - mean[j]);
      }
    }
  }
  return result;
}

// Gauss-Jordan elimination with pivots.
Matrix Inverse(Matrix a) {
  const size_t size = a.size();
  for (size_t i = 0; i < size; ++i) {
    a[i].resize(2 * size);
    a[i][size + i] = 1;
  }
  for (size_t i = 0; i < size; ++i) {
    size_t best = i;
    for (size_t r = i; r < size; ++r) {
      if (std::abs(a[r][i]) > std::abs(a[best][i])) best = r;
    }
    std::swap(a[i], a[best]);
    const double pivot = a[i][i];
    for (double& entry : a[i]) entry /= pivot;
    for (size_t r = 0; r < size; ++r) {
      const double factor = a[r][i];
      for (size_t c = 0; r != i && c < 2 * size; ++c) {
        a[r][c] -= factor * a[i][c];
      }
    }
  }
  for (std::vector<double>& row : a) {
    row.erase(row.begin(), row.begin() + static_cast<ptrdiff_t>(size));
  }
  return a;
}

std::vector<double> Column(const std::vector<OodScore>& scores,
                           double OodScore::*member) {
  std::vector<double> column;
  for (const OodScore& score : scores) column.push_back(score.*member);
  return column;
}

// Below, at and beyond the tiles in which it computes.
class DenseReferenceTest : public testing::TestWithParam<size_t> {};

TEST_P(DenseReferenceTest, ScoresEqualThoseOfTheExplicitInverse) {
  const size_t size = GetParam();
  const ActivationRows train = Correlated(300, size, 1);
  const ActivationRows test = Correlated(37, size, 2);
  const double shrinkage = 0.2;
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(train, shrinkage));
  ASSERT_OK_AND_ASSIGN(const std::vector<OodScore> scores, fit.Score(test));

  const Matrix covariance = Covariance(train, shrinkage);
  const Matrix inverse = Inverse(covariance);
  ASSERT_EQ(scores.size(), 37u);
  for (size_t k = 0; k < scores.size(); ++k) {
    double full = 0, diagonal = 0;
    for (size_t i = 0; i < size; ++i) {
      const double x = test.values[k * size + i] - fit.mean()[i];
      diagonal += x * x / covariance[i][i];
      for (size_t j = 0; j < size; ++j) {
        full += x * inverse[i][j] * (test.values[k * size + j] - fit.mean()[j]);
      }
    }
    EXPECT_NEAR(scores[k].mahalanobis, full, 1e-9 * full);
    EXPECT_NEAR(scores[k].relative, full - diagonal, 1e-9 * full);
  }
}

INSTANTIATE_TEST_SUITE_P(Dimensions, DenseReferenceTest,
                         testing::Values(1, 5, 32, 33, 100));

// Two points, 0 and 4 and then 0 and 2: mean (2, 1), variances 4 and 1, the
// correlation 1 halved. R^-1 = [[4/3, -2/3], [-2/3, 4/3]] and z = (1, -1).
TEST(GaussianFitTest, MatchesHandComputedValues) {
  ASSERT_OK_AND_ASSIGN(
      const GaussianFit fit,
      GaussianFit::Fit({.dimension = 2, .values = {0, 0, 4, 2}}, 0.5));
  ASSERT_OK_AND_ASSIGN(const std::vector<OodScore> scores,
                       fit.Score({.dimension = 2, .values = {4, 0}}));
  EXPECT_NEAR(scores[0].mahalanobis, 4, 1e-12);
  EXPECT_NEAR(scores[0].relative, 2, 1e-12);
}

TEST(GaussianFitTest, TheShrinkageItFindsIsThatOfItsDefinition) {
  const size_t size = 6, count = 25;
  const ActivationRows rows = Correlated(count, size, 3);
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(rows));
  ASSERT_OK_AND_ASSIGN(const std::vector<double> z, fit.Standardize(rows));
  double variances = 0, squares = 0;
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = 0; j < size; ++j) {
      if (i == j) continue;
      std::vector<double> products;
      double mean = 0, variance = 0;
      for (size_t k = 0; k < count; ++k) {
        products.push_back(z[k * size + i] * z[k * size + j]);
        mean += products.back() / count;
      }
      for (const double product : products) {
        variance += (product - mean) * (product - mean) / (count - 1);
      }
      variances += variance / count;
      squares += mean * mean;
    }
  }
  EXPECT_NEAR(fit.shrinkage(), variances / squares, 1e-12);
  EXPECT_GT(fit.shrinkage(), 0.01);
}

TEST(GaussianFitTest, FewerRowsThanCoordinatesNeedShrinkage) {
  const ActivationRows rows = Correlated(10, 40, 4);
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(rows));
  ASSERT_OK_AND_ASSIGN(const std::vector<OodScore> scores,
                       fit.Score(Correlated(3, 40, 5)));
  EXPECT_GT(scores[0].mahalanobis, 0);
  EXPECT_THAT(GaussianFit::Fit(rows, 0),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("10 rows of dimension 40 with shrinkage 0 "
                                 "cannot be inverted")));
  EXPECT_THAT(GaussianFit::Fit(rows, 1.5),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("shrinkage is 1.5, wanted 0 to 1")));
}

TEST(GaussianFitTest, WholeShrinkageLeavesNothingRelative) {
  const ActivationRows rows = Correlated(50, 8, 6);
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(rows, 1));
  ASSERT_OK_AND_ASSIGN(const std::vector<OodScore> scores, fit.Score(rows));
  for (const OodScore& score : scores) EXPECT_NEAR(score.relative, 0, 1e-9);
}

TEST(GaussianFitTest, AConstantCoordinateAddsNothingRelative) {
  const ActivationRows rows = Correlated(60, 4, 10);
  ActivationRows wider{.dimension = 5, .values = {}};
  for (size_t k = 0; k < rows.num_rows(); ++k) {
    const auto begin = rows.values.begin() + static_cast<ptrdiff_t>(4 * k);
    wider.values.insert(wider.values.end(), begin, begin + 4);
    wider.values.push_back(0.1);
  }
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit, GaussianFit::Fit(rows));
  ASSERT_OK_AND_ASSIGN(const GaussianFit wide_fit, GaussianFit::Fit(wider));
  EXPECT_NEAR(wide_fit.shrinkage(), fit.shrinkage(), 1e-9);
  // In the first row the coordinate is off as never before.
  wider.values[4] = 0.1 + 1e-3;
  ASSERT_OK_AND_ASSIGN(const auto scores, fit.Score(rows));
  ASSERT_OK_AND_ASSIGN(const auto wide_scores, wide_fit.Score(wider));
  EXPECT_GT(wide_scores[0].mahalanobis, scores[0].mahalanobis + 10);
  EXPECT_NEAR(wide_scores[1].mahalanobis, scores[1].mahalanobis, 1e-6);
  for (size_t k = 0; k < scores.size(); ++k) {
    EXPECT_NEAR(wide_scores[k].relative, scores[k].relative, 1e-6);
  }
}

TEST(GaussianFitTest, RefusesWhatHasNoSpread) {
  const auto fit = [](std::vector<double> values) {
    return GaussianFit::Fit({.dimension = 2, .values = std::move(values)});
  };
  EXPECT_THAT(fit({}), StatusIs(absl::StatusCode::kInvalidArgument,
                                HasSubstr("0 rows of activations")));
  EXPECT_THAT(fit({1, 2}), StatusIs(absl::StatusCode::kInvalidArgument,
                                    HasSubstr("1 rows of activations; a fit "
                                              "takes at least 2")));
  EXPECT_THAT(fit({0.1, 2, 0.1, 2, 0.1, 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("all 3 rows of activations are the same")));
  EXPECT_THAT(fit({1, 2, 3, NAN}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("row 1 of the activations holds nan at "
                                 "coordinate 1")));
}

TEST(GaussianFitTest, RowsOfAnotherModelAreRefused) {
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(Correlated(20, 4, 11)));
  EXPECT_THAT(fit.Score(Correlated(1, 3, 12)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("dimension 3; wanted 4")));
}

TEST(GaussianFitTest, AStoredFitScoresToTheSameBit) {
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(Correlated(90, 35, 13)));
  ASSERT_OK_AND_ASSIGN(const Json json, ParseJson(DumpJson(fit.ToJson())));
  ASSERT_OK_AND_ASSIGN(const GaussianFit stored, GaussianFit::FromJson(json));
  EXPECT_EQ(stored.num_rows(), 90u);
  EXPECT_EQ(stored.shrinkage(), fit.shrinkage());
  const ActivationRows test = Correlated(5, 35, 14);
  ASSERT_OK_AND_ASSIGN(const auto before, fit.Score(test));
  ASSERT_OK_AND_ASSIGN(const auto after, stored.Score(test));
  EXPECT_EQ(Column(after, &OodScore::mahalanobis),
            Column(before, &OodScore::mahalanobis));
  EXPECT_EQ(Column(after, &OodScore::relative),
            Column(before, &OodScore::relative));
}

TEST(GaussianFitTest, ADamagedFileIsNamedAsSuch) {
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(Correlated(20, 4, 15)));
  const Json whole = fit.ToJson();
  const auto refusal = [](const Json& json) {
    return std::string(GaussianFit::FromJson(json).status().message());
  };
  EXPECT_THAT(refusal(Json::array()), HasSubstr("not a Gaussian fit"));
  EXPECT_THAT(refusal({{"format", "other"}}), HasSubstr("not a Gaussian fit"));
  Json json = whole;
  json.erase("xxh3");
  EXPECT_THAT(refusal(json), HasSubstr("\"xxh3\" is missing"));
  json = whole;
  auto factor = json["factor"].get<std::string>();
  factor[3] = factor[3] == 'A' ? 'B' : 'A';
  json["factor"] = factor;
  EXPECT_THAT(refusal(json), HasSubstr("the fit is damaged"));
}

// A writer that is wrong, with a checksum that is right.
TEST(GaussianFitTest, NumbersThatDoNotFitTheDimensionAreRefused) {
  ASSERT_OK_AND_ASSIGN(const GaussianFit fit,
                       GaussianFit::Fit(Correlated(20, 4, 16)));
  const auto refusal = [&](const std::string& key, const Json& value) {
    Json json = fit.ToJson();
    json[key] = value;
    json.erase("xxh3");
    json["xxh3"] = absl::StrFormat("%016x", Xxh3(DumpJson(json)));
    return std::string(GaussianFit::FromJson(json).status().message());
  };
  EXPECT_THAT(refusal("dimension", 5),
              HasSubstr("\"mean\" holds 32 bytes; wanted 5 numbers"));
  EXPECT_THAT(refusal("dimension", 0), HasSubstr("wanted 1 to 65536"));
  EXPECT_THAT(refusal("num_rows", "many"),
              HasSubstr("\"num_rows\" is missing or no number"));
  // Four zeros.
  const std::string zeros(42, 'A');
  EXPECT_THAT(refusal("deviation", zeros + "A="),
              HasSubstr("deviations that are not above 0"));
}

}  // namespace
}  // namespace rlhf
