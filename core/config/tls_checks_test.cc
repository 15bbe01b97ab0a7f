#include "core/config/tls_checks.h"

#include "core/config/run_config.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

v1::TlsConfig ThreeFiles() {
  v1::TlsConfig tls;
  tls.set_ca("tls/ca.pem");
  tls.set_certificate("tls/{role}.pem");
  tls.set_key("{role}/{role}.key");
  return tls;
}

absl::StatusOr<v1::RunConfig> Parse(const std::string& more) {
  return ParseRunConfig(
      "name: \"r\" initial_policy: \"m\" prompts: \"p\"\n" + more, "run.txtpb",
      {});
}

constexpr char kTls[] =
    "tls { ca: \"ca.pem\" certificate: \"{role}.pem\" key: \"{role}.key\" }\n";

TEST(TlsFilesOfTest, EachRoleReadsItsOwn) {
  const v1::TlsConfig own = TlsFilesOf(ThreeFiles(), "reward-server");
  EXPECT_EQ(own.ca(), "tls/ca.pem");
  EXPECT_EQ(own.certificate(), "tls/reward-server.pem");
  EXPECT_EQ(own.key(), "reward-server/reward-server.key");
}

// A resolved run file has every message, with defaults in it.
TEST(HasTlsTest, NoFileIsNoTls) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, Parse(""));
  EXPECT_FALSE(HasTls(config));
  ASSERT_OK_AND_ASSIGN(config,
                       ParseRunConfig(ResolvedText(config), "run.txtpb", {}));
  EXPECT_TRUE(config.has_tls());
  EXPECT_FALSE(HasTls(config));
  *config.mutable_tls() = ThreeFiles();
  EXPECT_TRUE(HasTls(config));
}

TEST(CheckTlsTest, NamesEachFileThatIsMissing) {
  EXPECT_OK(Parse(kTls));
  EXPECT_THAT(Parse("tls { ca: \"ca.pem\" }"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tls.certificate is empty; wanted"),
                             HasSubstr("tls.key is empty; wanted"),
                             testing::Not(HasSubstr("tls.ca is")))));
}

TEST(CheckTlsTest, RolesServeOtherHostsOnlyWithCertificates) {
  for (const char* const role :
       {"learner", "actor", "reward_server", "preference", "feedback"}) {
    const std::string field =
        std::string(role) + " { address: \"10.0.0.1:7100\" }\n";
    EXPECT_THAT(Parse(field),
                StatusIs(StatusCode::kInvalidArgument,
                         AllOf(HasSubstr(std::string(role) + ".address"),
                               HasSubstr("over TLS only"))));
    EXPECT_OK(Parse(kTls + field));
  }
  EXPECT_OK(Parse(std::string(kTls) +
                  "reward_server { address: \"10.0.0.1:1,rewards-2:2\" }"));
}

TEST(CheckTlsTest, ThePageStaysOnThisMachine) {
  EXPECT_THAT(
      Parse(std::string(kTls) + "feedback { http_address: \"10.0.0.1:7180\" }"),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("feedback.http_address"), HasSubstr("proxy"),
                     HasSubstr("127.0.0.1"))));
}

}  // namespace
}  // namespace rlhf
