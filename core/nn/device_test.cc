#include "core/nn/device.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

TEST(ChooseDeviceTest, CpuIsTheCpu) {
  ASSERT_OK_AND_ASSIGN(const at::Device device, ChooseDevice("cpu", 3));
  EXPECT_TRUE(device.is_cpu());
}

TEST(ChooseDeviceTest, AutoFindsWhatThereIs) {
  ASSERT_OK_AND_ASSIGN(const at::Device device, ChooseDevice("auto", 0));
  EXPECT_EQ(device.is_cuda(), ChooseDevice("cuda", 0).ok());
}

TEST(ChooseDeviceTest, AMissingGpuIsNamed) {
  const absl::Status status = ChooseDevice("cuda", 1000).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("local rank 1000 wants GPU 1000"));
}

TEST(ChooseDeviceTest, AnotherNameIsRefused) {
  EXPECT_THAT(std::string(ChooseDevice("gpu", 0).status().message()),
              HasSubstr("device is \"gpu\"; wanted \"auto\""));
}

}  // namespace
}  // namespace rlhf
