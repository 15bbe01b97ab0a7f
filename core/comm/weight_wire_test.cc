#include "core/comm/weight_wire.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

template <typename T>
std::string BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

TEST(WeightWireTest, WhatWasWrittenIsRead) {
  ASSERT_OK_AND_ASSIGN(const WeightRequest request,
                       ParseWeightRequest(BytesOf(WeightRequest{
                           .version = int64_t{1} << 40, .first_bucket = 5})));
  EXPECT_EQ(request.version, int64_t{1} << 40);
  EXPECT_EQ(request.first_bucket, 5);
  ASSERT_OK_AND_ASSIGN(const BucketHeader header,
                       ParseBucketHeader(BytesOf(BucketHeader{
                           .bucket = 3, .num_bytes = uint64_t{1} << 63})));
  EXPECT_EQ(header.answer, BucketHeader::kBytesFollow);
  EXPECT_EQ(header.bucket, 3);
  EXPECT_EQ(header.num_bytes, uint64_t{1} << 63);
}

TEST(WeightWireTest, ARequestThatIsNoneIsToldWhatItIs) {
  const auto expect = [](const std::string& bytes, const std::string& message) {
    EXPECT_THAT(ParseWeightRequest(bytes),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  expect("", "of 0 bytes; wanted 24");
  expect(BytesOf(WeightRequest()) + "x", "of 25 bytes; wanted 24");
  expect("GET / HTTP/1.1\r\nHost: a\r\n", "of 25 bytes; wanted 24");
  expect("GET /a HTTP/1.0\r\nHost: \r",
         "begins with 4820612f20544547; wanted 3130545746484c52");
  expect(BytesOf(WeightRequest{.version = -1}), "weights version -1 from");
  expect(BytesOf(WeightRequest{.first_bucket = -7}), "from bucket -7 on");
}

TEST(WeightWireTest, AHeaderThatIsNoneIsToldWhatItIs) {
  EXPECT_THAT(
      ParseBucketHeader("short"),
      StatusIs(StatusCode::kDataLoss, HasSubstr("has 5 bytes; wanted 24")));
  EXPECT_THAT(ParseBucketHeader(BytesOf(BucketHeader{.answer = 77})),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("has answer 77; wanted 1 or 2")));
}

// Valid bytes, shortened, lengthened or with flipped bits; or any bytes.
std::string Damaged(std::string bytes, std::mt19937_64& random) {
  switch (random() % 4) {
    case 0:
      bytes.resize(random() % bytes.size());
      break;
    case 1:
      bytes.resize(bytes.size() + 1 + random() % 100,
                   static_cast<char>(random()));
      break;
    case 2:
      for (uint64_t flips = 1 + random() % 4; flips > 0; --flips) {
        char& byte = bytes[random() % bytes.size()];
        byte = static_cast<char>(byte ^ (1 << random() % 8));
      }
      break;
    default:
      for (char& byte : bytes) byte = static_cast<char>(random());
  }
  return bytes;
}

TEST(WeightWireTest, WhateverBytesComeTheyAreReadAsTheyAreOrRefused) {
  std::mt19937_64 random(1);
  int num_read = 0;
  for (int i = 0; i < 50'000; ++i) {
    const std::string request = Damaged(
        BytesOf(WeightRequest{.version = static_cast<int64_t>(random() % 1000),
                              .first_bucket = static_cast<int64_t>(i % 9)}),
        random);
    const auto parsed_request = ParseWeightRequest(request);
    const std::string header = Damaged(
        BytesOf(BucketHeader{.bucket = i % 9, .num_bytes = random()}), random);
    const auto parsed_header = ParseBucketHeader(header);
    if (parsed_request.ok()) {
      ++num_read;
      EXPECT_EQ(BytesOf(*parsed_request), request);
      EXPECT_EQ(parsed_request->magic, WeightRequest::kMagic);
      EXPECT_GE(parsed_request->version, 0);
      EXPECT_GE(parsed_request->first_bucket, 0);
    } else {
      EXPECT_THAT(std::string(parsed_request.status().message()),
                  HasSubstr("wanted"));
    }
    if (parsed_header.ok()) {
      ++num_read;
      EXPECT_EQ(BytesOf(*parsed_header), header);
    } else {
      EXPECT_THAT(std::string(parsed_header.status().message()),
                  HasSubstr("wanted"));
    }
  }
  EXPECT_GT(num_read, 1000) << "or only one side of this was seen";
}

}  // namespace
}  // namespace rlhf
