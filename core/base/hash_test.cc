#include "core/base/hash.h"

#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

// The examples of FIPS 180-2, appendix B.
constexpr char kShaOfAbc[] =
    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
constexpr char kShaOfAMillionAs[] =
    "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256HexTest, MatchesTheStandard) {
  EXPECT_EQ(Sha256Hex("abc"), kShaOfAbc);
  EXPECT_EQ(Sha256Hex(std::string(1'000'000, 'a')), kShaOfAMillionAs);
}

TEST(Sha256HexTest, OfNothingIsKnown) {
  EXPECT_EQ(Sha256Hex(""),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(Sha256HexOfFileTest, EqualsTheHashOfItsContents) {
  const TempDir dir;
  // More than the pieces it is read in, and no multiple of them.
  const std::string contents(3'000'001, 'x');
  ASSERT_OK(WriteFileAtomically(dir / "big", contents));
  ASSERT_OK(WriteFileAtomically(dir / "abc", "abc"));

  ASSERT_OK_AND_ASSIGN(const std::string big, Sha256HexOfFile(dir / "big"));
  ASSERT_OK_AND_ASSIGN(const std::string abc, Sha256HexOfFile(dir / "abc"));

  EXPECT_EQ(big, Sha256Hex(contents));
  EXPECT_EQ(abc, kShaOfAbc);
}

TEST(Sha256HexOfFileTest, NamesTheMissingFile) {
  EXPECT_THAT(
      Sha256HexOfFile("/nonexistent/model"),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("/nonexistent/model")));
}

TEST(Sha256HexOfFileTest, AFolderHasNoHash) {
  const TempDir dir;
  EXPECT_THAT(Sha256HexOfFile(dir.path()),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot read " + dir.path())));
}

// Published by the xxHash project and python-xxhash for seed 0.
TEST(Xxh3Test, MatchesTheReference) {
  EXPECT_EQ(Xxh3(""), 0x2D06800538D394C2u);
  EXPECT_EQ(Xxh3("a"), 0xE6C632B61E964E1Fu);
  EXPECT_EQ(Xxh3("abc"), 0x78AF5F94892F3950u);
}

TEST(Xxh3StreamTest, PiecesHashAsTheWhole) {
  const std::string data(1000, 'x');
  Xxh3Stream stream;
  EXPECT_EQ(stream.Digest(), Xxh3(""));
  stream.Update(absl::string_view(data).substr(0, 1));
  stream.Update("");
  stream.Update(absl::string_view(data).substr(1));
  EXPECT_EQ(stream.Digest(), Xxh3(data));
}

// Computed with Python's integers. Sampling and prompt order hang on these
// numbers: if they change, no run can be repeated.
TEST(MixHashTest, NeverChanges) {
  EXPECT_EQ(MixHash(0, 0), 0x6DB6CA64564DAEAAu);
  EXPECT_EQ(MixHash(1, 2), 0xE942EB92C7D79933u);
  EXPECT_EQ(MixHash(2, 1), 0x9B1728382F105199u);
  EXPECT_EQ(MixHash(~uint64_t{0}, ~uint64_t{0}), 0x0B9D03C2EA557160u);
}

TEST(MixHashTest, SmallNumbersDoNotCollide) {
  std::set<uint64_t> seen;
  for (uint64_t a = 0; a < 100; ++a) {
    for (uint64_t b = 0; b < 100; ++b) seen.insert(MixHash(a, b));
  }
  EXPECT_EQ(seen.size(), 10'000u);
}

}  // namespace
}  // namespace rlhf
