#include "feedback/access/secrets.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

TEST(SecretsTest, HmacIsThatOfRfc4231) {
  // Test case 2, whose key is shorter than a block.
  EXPECT_EQ(HmacSha256Hex("Jefe", "what do ya want for nothing?"),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  // Test case 6, whose key is longer than one.
  EXPECT_EQ(HmacSha256Hex(std::string(131, '\xaa'),
                          "Test Using Larger Than Block-Size Key - Hash Key "
                          "First"),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST(SecretsTest, RandomSecretsDiffer) {
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(RandomSecret());
  EXPECT_EQ(seen.size(), 100u);
  EXPECT_EQ(seen.begin()->size(), 64u);
}

TEST(SecretsTest, OnlyEqualTextsAreEqual) {
  EXPECT_TRUE(EqualSecrets("", ""));
  EXPECT_TRUE(EqualSecrets("abc", "abc"));
  EXPECT_FALSE(EqualSecrets("abc", "abd"));
  EXPECT_FALSE(EqualSecrets("abc", "ab"));
  EXPECT_FALSE(EqualSecrets("", "a"));
}

TEST(SecretsTest, PasswordIsKnownAgainByItsArgon2idHashOnly) {
  ASSERT_OK_AND_ASSIGN(const std::string hash, HashPassword("correct horse"));
  EXPECT_TRUE(absl::StartsWith(hash, "$argon2id$")) << hash;
  EXPECT_TRUE(VerifyPassword(hash, "correct horse"));
  EXPECT_FALSE(VerifyPassword(hash, "correct horsf"));
  EXPECT_FALSE(VerifyPassword("", "correct horse"));
  EXPECT_FALSE(VerifyPassword("", ""));
  ASSERT_OK_AND_ASSIGN(const std::string again, HashPassword("correct horse"));
  EXPECT_NE(hash, again) << "each has its own salt";
}

TEST(SecretsTest, PasswordsAreNeitherShortNorEndless) {
  EXPECT_THAT(CheckPassword("123456789"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("has 9 characters; take at least 10")));
  EXPECT_OK(CheckPassword("1234567890"));
  EXPECT_OK(CheckPassword(std::string(256, 'x')));
  EXPECT_THAT(
      CheckPassword(std::string(257, 'x')),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("at most 256")));
}

}  // namespace
}  // namespace rlhf
