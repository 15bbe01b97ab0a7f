#include "core/comm/communicator.h"

#include <ATen/ops/full.h>

#include <latch>

#include "absl/strings/str_cat.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/two_ranks.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

constexpr absl::Duration kPlenty = absl::Seconds(30);

// Bytes that differ from place to place, so that a shifted copy is noticed.
std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i)
    bytes[i] = static_cast<char>(i * 31 + i / 7);
  return bytes;
}

TEST(CommunicatorTest, SumsOverRanks) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    EXPECT_EQ(communicator.world_size(), 2);
    const at::Tensor a = at::full({3}, communicator.rank() + 1.0);
    const at::Tensor b = at::full({1}, 10.0 * communicator.rank());
    ASSERT_OK(communicator.AllReduceSum({a, b}));
    // 1 + 2 and 0 + 10.
    EXPECT_EQ(a[2].item<float>(), 3);
    EXPECT_EQ(b[0].item<float>(), 10);
  });
}

TEST(CommunicatorTest, BroadcastTakesRankZerosNumbers) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    const at::Tensor a = at::full({5}, communicator.rank() + 7.0);
    ASSERT_OK(communicator.Broadcast(a));
    EXPECT_EQ(a[4].item<float>(), 7);
  });
}

TEST(CommunicatorTest, BroadcastsBytesOfAnyLengthOverAnyLength) {
  OnTwoRanks(kPlenty, [](Communicator& communicator) {
    // Empty, one byte, a few, and some megabytes that are no power of two.
    for (const size_t size : {0, 1, 13, 0, 5'000'011}) {
      const std::string expected = Pattern(size);
      std::string bytes = communicator.rank() == 0 ? expected : "of rank one";
      ASSERT_OK(communicator.BroadcastBytes(bytes));
      EXPECT_TRUE(bytes == expected) << size << " became " << bytes.size();
    }
  });
}

TEST(CommunicatorTest, OneRankAloneKeepsItsBytes) {
  SingleCommunicator alone;
  std::string bytes = "mine";
  ASSERT_OK(alone.BroadcastBytes(bytes));
  EXPECT_EQ(bytes, "mine");
}

TEST(CommunicatorTest, AnAllReduceThatOneRankNeverMakesIsNamed) {
  std::latch done(2);
  OnTwoRanks(absl::Milliseconds(700), [&](Communicator& communicator) {
    if (communicator.rank() == 0) {
      const at::Tensor a = at::full({3}, 1.0);
      communicator.Describe("gradients of update 12, policy version 11");
      EXPECT_THAT(
          communicator.AllReduceSum({a}),
          StatusIs(StatusCode::kDeadlineExceeded,
                   AllOf(HasSubstr("gradients of update 12, policy version 11: "
                                   "all-reduce on rank 0 of 2"),
                         HasSubstr("700ms"))));
    }
    // The other one is there, and stays, but makes no call.
    done.arrive_and_wait();
  });
}

TEST(CommunicatorTest, ABroadcastThatRankZeroNeverMakesIsNamed) {
  std::latch done(2);
  OnTwoRanks(absl::Milliseconds(700), [&](Communicator& communicator) {
    if (communicator.rank() == 1) {
      std::string bytes;
      EXPECT_THAT(communicator.BroadcastBytes(bytes),
                  StatusIs(StatusCode::kDeadlineExceeded,
                           HasSubstr("broadcast on rank 1 of 2")));
    }
    done.arrive_and_wait();
  });
}

TEST(CommunicatorTest, ARankThatJoinsAloneIsToldWhereItWaited) {
  const int port = FreePorts(1)[0];
  EXPECT_THAT(
      MakeC10dCommunicator(TwoRanks(0, port, absl::Milliseconds(300))).status(),
      StatusIs(StatusCode::kUnavailable,
               AllOf(HasSubstr("rank 0 of 2 could not join the others"),
                     HasSubstr(absl::StrCat("127.0.0.1:", port)))));
}

}  // namespace
}  // namespace rlhf
