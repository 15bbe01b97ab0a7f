#include "cli/doctor/measure_ranks.h"

#include <cmath>
#include <thread>

#include "core/base/version.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

// The real one, wrong by so much.
class WrongClock final : public Clock {
 public:
  explicit WrongClock(absl::Duration ahead) : ahead_(ahead) {}
  absl::Time Now() const override { return absl::Now() + ahead_; }
  absl::Time Monotonic() const override { return MonotonicNow(); }

 private:
  const absl::Duration ahead_;
};

TEST(MeasureLinkTest, SeesHowFarTheOthersClockIsAhead) {
  OnTwoRanks(absl::Seconds(60), [](Communicator& both) {
    const WrongClock clock(absl::Seconds(both.rank() == 1 ? 5 : 0));
    ASSERT_OK_AND_ASSIGN(const LinkFigures link, MeasureLinkOf(both, clock));
    const double ahead = both.rank() == 0 ? 5 : -5;
    EXPECT_GT(link.clock_uncertainty_s, 0);
    EXPECT_LT(link.clock_uncertainty_s, 0.5);
    EXPECT_NEAR(link.clock_ahead_s, ahead, link.clock_uncertainty_s + 1e-5);
    EXPECT_GT(link.bytes_per_s, 0);
    EXPECT_GT(link.round_trip_s, 0);
  });
}

TEST(MeasureRanksTest, ThreeRanksMeasureEveryPairAndTheAllReduce) {
  const int port = FreePorts(1)[0];
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([=] {
      at::set_num_threads(1);
      ASSERT_OK_AND_ASSIGN(
          const RanksFigures figures,
          MeasureRanks(OneOfRanks(rank, 3, port, absl::Seconds(60))));
      EXPECT_EQ(figures.backend, "Gloo");
      ASSERT_THAT(figures.places, SizeIs(3));
      EXPECT_EQ(figures.places[2].build.version, kRlhfVersion);
      ASSERT_THAT(figures.pairs, SizeIs(3));
      EXPECT_EQ(figures.pairs[1].second, 2);
      for (const PairFigures& pair : figures.pairs) {
        EXPECT_GT(pair.link.bytes_per_s, 0);
        EXPECT_LT(std::abs(pair.link.clock_ahead_s), 0.5);
      }
      ASSERT_THAT(figures.all_reduces, SizeIs(3));
      EXPECT_GT(figures.all_reduces[2].seconds, 0);
    });
  }
}

TEST(MeasureRanksTest, ARankThatDoesNotComeIsNamedWithTheTimeLimit) {
  EXPECT_THAT(MeasureRanks(TwoRanks(0, FreePorts(1)[0], absl::Seconds(1))),
              StatusIs(StatusCode::kUnavailable,
                       testing::AllOf(
                           HasSubstr("rank 1 of 2 did not come to 127.0.0.1"),
                           HasSubstr("within 1s"))));
}

}  // namespace
}  // namespace rlhf
