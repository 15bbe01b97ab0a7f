#include "core/base/signing_key.h"

#include <sys/stat.h>

#include <thread>

#include "absl/strings/escaping.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

// RFC 8032, section 7.1, test 2: one byte, 0x72.
TEST(VerifySignatureTest, AgreesWithTheStandardsTestVector) {
  const std::string key =
      "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
  const std::string signature =
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
  EXPECT_TRUE(VerifySignature(key, "\x72", signature));
  EXPECT_FALSE(VerifySignature(key, "\x73", signature));
  EXPECT_FALSE(VerifySignature(key, "\x72", "92a0"));
  EXPECT_FALSE(VerifySignature("no key", "\x72", signature));
}

TEST(SigningKeyTest, IsMadeOnceAndReadableByItsOwnerOnly) {
  const TempDir folder;
  ASSERT_OK_AND_ASSIGN(const SigningKey made,
                       SigningKey::LoadOrCreate(folder / "key.pem"));
  ASSERT_OK_AND_ASSIGN(const SigningKey read,
                       SigningKey::LoadOrCreate(folder / "key.pem"));
  EXPECT_EQ(made.public_hex(), read.public_hex());
  EXPECT_TRUE(VerifySignature(made.public_hex(), "text", read.Sign("text")));
  EXPECT_FALSE(VerifySignature(made.public_hex(), "Text", read.Sign("text")));
  struct stat info = {};
  ASSERT_EQ(::stat((folder / "key.pem").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  EXPECT_EQ(ListDirectory(folder.path()).size(), 1u);
}

TEST(SigningKeyTest, AFileThatHoldsNoKeyIsRefusedByName) {
  const TempDir folder;
  ASSERT_OK(WriteFileAtomically(folder / "key.pem", "not a key"));
  EXPECT_THAT(SigningKey::LoadOrCreate(folder / "key.pem").status(),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("key.pem: no Ed25519 private key")));
}

}  // namespace
}  // namespace rlhf
