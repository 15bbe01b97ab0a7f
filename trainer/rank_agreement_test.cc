#include "trainer/rank_agreement.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/ranks.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

const std::vector<std::string> kNames = {"a", "b", "c"};

TEST(CheckAgreementTest, EqualHashesAgree) {
  EXPECT_OK(CheckAgreement(kNames, {{1, 2, 3}, {1, 2, 3}, {1, 2, 3}}));
}

TEST(CheckAgreementTest, TheMinorityIsNamedWithTheFirstTensor) {
  EXPECT_THAT(
      CheckAgreement(kNames, {{1, 9, 9}, {1, 2, 3}, {1, 2, 3}, {1, 2, 8}}),
      StatusIs(absl::StatusCode::kDataLoss,
               AllOf(HasSubstr("rank 0 of 4 holds another \"b\""),
                     HasSubstr("2 of 3 tensors differ"))));
}

TEST(CheckAgreementTest, WithoutAMajorityRankZeroIsBelieved) {
  EXPECT_THAT(CheckAgreement(kNames, {{1, 2, 3}, {0, 2, 3}}),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("rank 1 of 2 holds another \"a\"")));
}

TEST(CompareRanksTest, OneFlippedBitIsFoundOnBothRanks) {
  OnTwoRanks(absl::Seconds(30), [](Communicator& communicator) {
    const NamedTensors tensors = {{"even", at::full({3}, 1.0f)},
                                  {"odd", at::arange(5.0f)}};
    EXPECT_OK(CompareRanks(communicator, tensors));
    if (communicator.rank() == 1) {
      static_cast<uint32_t*>(tensors[1].tensor.data_ptr())[4] ^= 1;
    }
    EXPECT_THAT(CompareRanks(communicator, tensors),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr("rank 1 of 2 holds another \"odd\""),
                               HasSubstr("1 of 2 tensors differ"))));
  });
}

}  // namespace
}  // namespace rlhf
