#include "feedback/webhook_signature.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/access/secrets.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

// The example of the Standard Webhooks documentation; its signature was made
// again with Python's hmac.
constexpr char kSecret[] = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr char kBody[] = R"({"test": 2432232314})";
constexpr SignedHeaders kHeaders = {
    .id = "msg_p5jXN8AQM9LWM0D4loKWxJek",
    .timestamp = "1614265330",
    .signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="};
const absl::Time kNow = absl::FromUnixSeconds(1614265330);

absl::Status Verify(const SignedHeaders& headers, absl::string_view body,
                    absl::string_view secret, absl::Time now) {
  return VerifySignature(headers, body, secret, "", now);
}

// RFC 4231, test case 2.
TEST(WebhookSignatureTest, HmacIsThatOfTheRfc) {
  EXPECT_EQ(absl::BytesToHexString(
                HmacSha256("Jefe", "what do ya want for nothing?")),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
}

TEST(WebhookSignatureTest, TakesTheDocumentedExample) {
  EXPECT_OK(Verify(kHeaders, kBody, kSecret, kNow));
}

TEST(WebhookSignatureTest, OneOfSeveralSignaturesIsEnough) {
  SignedHeaders headers = kHeaders;
  const std::string rotated =
      absl::StrCat("v1,AAAA v1a,BBBB ", kHeaders.signature);
  headers.signature = rotated;
  EXPECT_OK(Verify(headers, kBody, kSecret, kNow));
}

TEST(WebhookSignatureTest, RefusesWhatWasChanged) {
  const auto refused = StatusIs(StatusCode::kUnauthenticated,
                                HasSubstr("no signature of the webhook"));
  EXPECT_THAT(Verify(kHeaders, R"({"test": 2432232315})", kSecret, kNow),
              refused);
  EXPECT_THAT(Verify(kHeaders, kBody, "whsec_AAAAAAAAAAAAAAAAAAAAAAAA", kNow),
              refused);
  SignedHeaders headers = kHeaders;
  headers.id = "msg_other";
  EXPECT_THAT(Verify(headers, kBody, kSecret, kNow), refused);
  headers = kHeaders;
  headers.timestamp = "1614265331";
  EXPECT_THAT(Verify(headers, kBody, kSecret, kNow), refused);
  headers = kHeaders;
  headers.signature = "v1,";
  EXPECT_THAT(Verify(headers, kBody, kSecret, kNow), refused);
}

TEST(WebhookSignatureTest, RefusesWhatIsNotSignedAtAll) {
  EXPECT_THAT(Verify({}, kBody, kSecret, kNow),
              StatusIs(StatusCode::kUnauthenticated,
                       HasSubstr("webhook-signature are wanted")));
}

TEST(WebhookSignatureTest, RefusesWhatIsMoreThanFiveMinutesAway) {
  for (const int minutes : {-6, 6}) {
    EXPECT_THAT(Verify(kHeaders, kBody, kSecret, kNow + absl::Minutes(minutes)),
                StatusIs(StatusCode::kUnauthenticated, HasSubstr("5 minutes")));
  }
  EXPECT_OK(Verify(kHeaders, kBody, kSecret, kNow + absl::Minutes(5)));
}

// What Argilla does when a second passes between event and delivery.
TEST(WebhookSignatureTest, TheTimeOfTheEventMayBeWhatIsSigned) {
  SignedHeaders headers = kHeaders;
  headers.timestamp = "1614265332";
  EXPECT_OK(VerifySignature(headers, kBody, kSecret, "1614265330", kNow));
  // It is then what has to be fresh.
  EXPECT_THAT(VerifySignature(headers, kBody, kSecret, "1614265330",
                              kNow + absl::Minutes(6)),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("5 minutes")));
}

TEST(WebhookSignatureTest, ASecretThatIsNoBase64IsTakenAsItIs) {
  const std::string key = "not base64, but long enough!";
  const std::string signature = absl::StrCat(
      "v1,", absl::Base64Escape(HmacSha256(key, "m.1614265330.{}")));
  EXPECT_OK(
      Verify({.id = "m", .timestamp = "1614265330", .signature = signature},
             "{}", key, kNow));
}

TEST(WebhookSignatureTest, SecretsAreReadWithoutTheirLineBreak) {
  TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "secret", absl::StrCat(kSecret, "\n")));
  EXPECT_THAT(ReadWebhookSecret(dir / "secret"), IsOkAndHolds(kSecret));
  ASSERT_OK(WriteFileAtomically(dir / "short", "abc\n"));
  EXPECT_THAT(ReadWebhookSecret(dir / "short").status(),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("the secret has 3 characters")));
  EXPECT_THAT(ReadWebhookSecret(dir / "none").status(),
              StatusIs(StatusCode::kNotFound, HasSubstr("none")));
}

TEST(ReplayGuardTest, RemembersWhatWasTakenForAsLongAsItWouldBeFresh) {
  ReplayGuard guard;
  EXPECT_FALSE(guard.WasTaken("a", kNow));
  guard.SetTaken("a", kNow);
  EXPECT_TRUE(guard.WasTaken("a", kNow + kWebhookTolerance));
  EXPECT_FALSE(guard.WasTaken("b", kNow));
  EXPECT_FALSE(guard.WasTaken("a", kNow + 3 * kWebhookTolerance));
}

TEST(ReplayGuardTest, HoldsNoMoreThanItsCapacity) {
  ReplayGuard guard;
  for (size_t i = 0; i <= ReplayGuard::kCapacity; ++i) {
    guard.SetTaken(absl::StrCat(i), kNow);
  }
  EXPECT_FALSE(guard.WasTaken("0", kNow));
  EXPECT_TRUE(guard.WasTaken(absl::StrCat(ReplayGuard::kCapacity), kNow));
}

}  // namespace
}  // namespace rlhf
