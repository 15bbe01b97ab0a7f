#include "core/nn/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr char kField[] = "learner.device";

TEST(DeviceTest, TheCpuIsAlwaysThere) {
  ASSERT_OK_AND_ASSIGN(const at::Device device, FindDevice(kField, "cpu"));
  EXPECT_EQ(device, at::Device(at::kCPU));
  ASSERT_OK_AND_ASSIGN(const at::Device of_rank,
                       FindDevice(kField, "cpu", {.rank = 3, .count = 4}));
  EXPECT_EQ(of_rank, at::Device(at::kCPU)) << "which all ranks share";
}

TEST(DeviceTest, OtherNamesAreRefusedWithTheFieldAndWhatIsWanted) {
  for (const char* name :
       {"", "gpu", "CPU", "cpu:0", "cuda:", "cuda:x", "cuda:-1", "cuda: 1",
        "cuda:1x", "cudax", "cuda:99999999999"}) {
    EXPECT_THAT(
        FindDevice(kField, name),
        StatusIs(absl::StatusCode::kInvalidArgument,
                 AllOf(HasSubstr("learner.device: no device is called \"" +
                                 std::string(name) + "\""),
                       HasSubstr("wanted cpu, cuda or cuda:N"))))
        << name;
  }
}

TEST(DeviceTest, OneGpuIsNotForSeveralRanks) {
  EXPECT_THAT(FindDevice(kField, "cuda:1", {.rank = 0, .count = 2}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("learner.device: cuda:1 is one GPU for the 2 "
                                 "ranks on this machine")));
}

TEST(DeviceTest, AGpuThatIsNotThereIsRefusedAndItIsSaidWhy) {
  if (FindDevice(kField, "cuda").ok()) GTEST_SKIP() << "there is a GPU";
  for (const char* name : {"cuda", "cuda:0"}) {
    EXPECT_THAT(
        FindDevice(kField, name),
        StatusIs(absl::StatusCode::kFailedPrecondition,
                 AllOf(HasSubstr("learner.device: " + std::string(name) + ": "),
                       testing::AnyOf(HasSubstr("make cuda"),
                                      HasSubstr("no GPU is visible")))))
        << name;
  }
}

TEST(DeviceTest, AModelThatIsThereStaysWhereItIs) {
  Transformer model = MakeTinyModel(1);
  const void* const before = model.parameters()[0].tensor.const_data_ptr();
  ASSERT_OK(MoveTo(at::kCPU, model));
  EXPECT_EQ(model.parameters()[0].tensor.const_data_ptr(), before);
}

}  // namespace
}  // namespace rlhf
