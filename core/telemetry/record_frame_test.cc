#include "core/telemetry/record_frame.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

std::string Hex(absl::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex.push_back(kDigits[static_cast<uint8_t>(c) / 16]);
    hex.push_back(kDigits[static_cast<uint8_t>(c) % 16]);
  }
  return hex;
}

// RFC 3720, appendix B.4.
TEST(Crc32cTest, IsThatOfTheStandard) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
}

// The first record of the files that TensorFlow and PyTorch write: Event of
// wall time 0 and "brain.Event:2". The checksum of a length of 24 is that of
// their files.
TEST(FrameRecordTest, HasLengthDataAndTheirMaskedChecksums) {
  const std::string data(24, 'x');
  const std::string record = FrameRecord(data);
  ASSERT_EQ(record.size(), 8 + 4 + 24 + 4u);
  EXPECT_EQ(Hex(record.substr(0, 12)), "1800000000000000a37f4b22");
  EXPECT_EQ(record.substr(12, 24), data);
}

TEST(FrameRecordTest, AnEmptyRecordIsOneToo) {
  // CRC-32C of nothing is 0, so its mask is what is left.
  EXPECT_EQ(Hex(FrameRecord("").substr(12)), "d8ea82a2");
}

}  // namespace
}  // namespace rlhf
