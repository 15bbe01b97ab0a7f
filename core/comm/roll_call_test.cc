#include "core/comm/roll_call.h"

#include <thread>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(RollCallTest, EveryRankHearsTheNotesOfAllInTheirOrder) {
  const int port = FreePorts(1)[0];
  std::vector<std::jthread> ranks;
  for (int rank = 0; rank < 3; ++rank) {
    ranks.emplace_back([=] {
      ASSERT_OK_AND_ASSIGN(
          const std::vector<std::string> notes,
          CallTheRoll(OneOfRanks(rank, 3, port, absl::Seconds(30)),
                      absl::StrCat("note of ", rank)));
      EXPECT_THAT(notes, ElementsAre("note of 0", "note of 1", "note of 2"));
    });
  }
}

TEST(RollCallTest, NamesTheRanksThatDoNotComeAndTheTimeLimit) {
  const int port = FreePorts(1)[0];
  const auto call = [=](int rank) {
    return CallTheRoll(OneOfRanks(rank, 4, port, absl::Seconds(3)), "here");
  };
  std::jthread other([&] { EXPECT_FALSE(call(2).ok()); });
  EXPECT_THAT(
      call(0),
      StatusIs(StatusCode::kUnavailable,
               absl::StrCat("ranks 1, 3 of 4 did not come to 127.0.0.1:", port,
                            " within 3s")));
}

TEST(RollCallTest, WithoutRank0TheOthersNameIt) {
  const int port = FreePorts(1)[0];
  EXPECT_THAT(
      CallTheRoll(OneOfRanks(1, 2, port, absl::Seconds(1)), "here"),
      StatusIs(StatusCode::kUnavailable,
               HasSubstr(absl::StrCat("rank 1 of 2 cannot reach rank 0 at "
                                      "127.0.0.1:",
                                      port, " within 1s"))));
}

}  // namespace
}  // namespace rlhf
