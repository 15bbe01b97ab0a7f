#include "feedback/comparison_pages.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(ComparisonPagesTest, NoMoreThanAPageIsHeldHoweverLongTheLogIs) {
  for (const int64_t pages : {0, 1, 40}) {
    const int64_t length = pages * kComparisonsAtOnce + 3;
    int64_t num_read = 0, num_taken = 0, most_held = 0;
    ASSERT_OK(ForEachComparison(
        1, length,
        [&](int64_t first, int64_t last) {
          EXPECT_EQ(num_taken, num_read) << "the page before is done with";
          std::vector<v1::Comparison> page;
          for (int64_t seq = first; seq <= last; ++seq) {
            page.emplace_back().set_seq(seq);
          }
          num_read += static_cast<int64_t>(page.size());
          most_held = std::max(most_held, num_read - num_taken);
          return absl::StatusOr<std::vector<v1::Comparison>>(page);
        },
        [&](const v1::Comparison& comparison) {
          EXPECT_EQ(comparison.seq(), ++num_taken) << "in order";
          return absl::OkStatus();
        }));
    EXPECT_EQ(num_taken, length);
    EXPECT_LE(most_held, kComparisonsAtOnce);
  }
}

TEST(ComparisonPagesTest, EndsAtTheFirstError) {
  int num_taken = 0;
  const auto two = [](int64_t, int64_t) {
    return absl::StatusOr<std::vector<v1::Comparison>>(
        std::vector<v1::Comparison>(2));
  };
  EXPECT_THAT(ForEachComparison(1, 2, two,
                                [&](const v1::Comparison&) {
                                  ++num_taken;
                                  return absl::ResourceExhaustedError("full");
                                }),
              StatusIs(absl::StatusCode::kResourceExhausted, "full"));
  EXPECT_EQ(num_taken, 1);
}

}  // namespace
}  // namespace rlhf
