#include "core/nn/attend_kernels.h"

#include <cmath>
#include <vector>

#include "core/base/hash.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Numbers in [-1, 1) that bfloat16 holds exactly.
template <class Number>
std::vector<Number> Numbers(int64_t count, uint64_t seed) {
  std::vector<Number> numbers;
  for (int64_t i = 0; i < count; ++i) {
    numbers.push_back(
        static_cast<float>(MixHash(seed, static_cast<uint64_t>(i)) % 256) /
            128 -
        1);
  }
  return numbers;
}

// softmax(query · keys) · values of one head, in double precision.
template <class Number>
std::vector<double> Expected(const float* query, int64_t width, int64_t count,
                             const std::vector<Number>& keys,
                             const std::vector<Number>& values) {
  std::vector<double> out(static_cast<size_t>(width), 0.0);
  double sum = 0;
  for (int64_t l = 0; l < count; ++l) {
    double score = 0;
    for (int64_t i = 0; i < width; ++i) {
      score += query[i] * static_cast<double>(keys[l * width + i]);
    }
    const double weight = std::exp(score);
    sum += weight;
    for (int64_t i = 0; i < width; ++i) {
      out[i] += weight * static_cast<double>(values[l * width + i]);
    }
  }
  for (double& value : out) value /= sum;
  return out;
}

template <class Number>
void ExpectAttention(int64_t group, int64_t width, int64_t count) {
  std::vector<float> queries = Numbers<float>(group * width, 1);
  for (float& query : queries) query /= std::sqrt(static_cast<float>(width));
  const auto keys = Numbers<Number>(count * width, 2);
  const auto values = Numbers<Number>(count * width, 3);
  std::vector<float> scores(static_cast<size_t>(group * count));
  std::vector<float> out(queries.size());
  Attend({.queries = queries.data(),
          .group = group,
          .width = width,
          .count = count,
          .scores = scores.data(),
          .out = out.data()},
         keys.data(), values.data());
  for (int64_t g = 0; g < group; ++g) {
    const std::vector<double> expected =
        Expected(queries.data() + g * width, width, count, keys, values);
    for (int64_t i = 0; i < width; ++i) {
      ASSERT_NEAR(out[g * width + i], expected[i], 2e-6)
          << "group " << group << ", width " << width << ", count " << count
          << ", head " << g << ", column " << i;
    }
  }
}

TEST(AttendTest, IsSoftmaxAttentionForAnyShape) {
  for (const int64_t group : {1, 2, 3, 4, 7, 8}) {
    for (const int64_t width : {4, 16, 24, 64, 80, 128}) {
      for (const int64_t count : {1, 2, 17, 100}) {
        ExpectAttention<float>(group, width, count);
        ExpectAttention<c10::BFloat16>(group, width, count);
      }
    }
  }
}

// Sums of exponentials overflow where the largest score is not taken off.
TEST(AttendTest, ScoresOfHundredsDoNotOverflow) {
  const std::vector<float> queries = {300, 0}, keys = {1, 0, -1, 0, 0.5, 0};
  const std::vector<float> values = {1, 2, 3, 4, 5, 6};
  std::vector<float> scores(3), out(2);
  Attend({.queries = queries.data(),
          .group = 1,
          .width = 2,
          .count = 3,
          .scores = scores.data(),
          .out = out.data()},
         keys.data(), values.data());
  EXPECT_NEAR(out[0], 1, 1e-6);
  EXPECT_NEAR(out[1], 2, 1e-6);
}

}  // namespace
}  // namespace rlhf
