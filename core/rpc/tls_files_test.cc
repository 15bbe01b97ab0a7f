#include "core/rpc/tls_files.h"

#include "absl/strings/str_cat.h"
#include "core/rpc/tls_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() { Write("ca.pem", authority_.Pem()); }

  void Write(const std::string& name, const std::string& text) {
    EXPECT_OK(WriteFileAtomically(folder_ / name, text));
  }

  // What is said of the files of an actor of run "r".
  absl::Status Check(const std::string& role = "actor") const {
    return CheckTlsFiles(ConfigWithTls("r", folder_.path(), "actor").tls(), "r",
                         role);
  }

  void ExpectRefused(const CertificateOptions& options,
                     const std::string& why) {
    Write("actor.pem", authority_.Issue(options));
    EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                  AllOf(HasSubstr("tls.certificate"),
                                        HasSubstr(folder_ / "actor.pem"),
                                        HasSubstr(why))));
  }

  const TempDir folder_;
  const TestAuthority authority_;
};

TEST_F(TlsFilesTest, TakesTheRolesOwnCertificateAndForVerbsAnyRoles) {
  Write("actor.pem", authority_.Issue({.uri = "rlhf://r/actor"}));
  EXPECT_OK(Check());
  EXPECT_OK(Check("operator"));
}

TEST_F(TlsFilesTest, SaysUntilWhenACertificateIsInForce) {
  const absl::Time end = absl::FromUnixSeconds(4'000'000'000);
  Write("actor.pem", authority_.Issue({.uri = "rlhf://r/actor", .end = end}));
  EXPECT_THAT(CertificateEnd(folder_ / "actor.pem"), IsOkAndHolds(end));
  Write("empty.pem", "");
  EXPECT_THAT(CertificateEnd(folder_ / "empty.pem"),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("holds no certificate")));
}

TEST_F(TlsFilesTest, TakesSeveralAuthorities) {
  Write("ca.pem", TestAuthority().Pem() + authority_.Pem());
  Write("actor.pem", authority_.Issue({.uri = "rlhf://r/actor"}));
  EXPECT_OK(Check());
}

TEST_F(TlsFilesTest, SaysWhyPeersWouldRefuseACertificate) {
  ExpectRefused({.uri = "rlhf://r/learner"},
                "is for rlhf://r/learner; wanted rlhf://r/actor");
  ExpectRefused({.uri = "rlhf://other/actor"}, "wanted one of this run");
  ExpectRefused({}, "names 0 roles");
  ExpectRefused(
      {.uri = "rlhf://r/actor", .end = absl::Now() - absl::Minutes(1)},
      "certificate has expired");
  ExpectRefused(
      {.uri = "rlhf://r/actor", .begin = absl::Now() + absl::Minutes(1)},
      "certificate is not yet valid");
  ExpectRefused({.uri = "rlhf://r/actor", .usage = "serverAuth"},
                "certificate purpose");
  ExpectRefused({.uri = "rlhf://r/actor", .usage = "clientAuth"},
                "certificate purpose");
}

TEST_F(TlsFilesTest, SaysThatAnotherAuthoritySigned) {
  Write("actor.pem", TestAuthority().Issue({.uri = "rlhf://r/actor"}));
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("would be refused"),
                                      HasSubstr(folder_ / "ca.pem"))));
}

TEST_F(TlsFilesTest, NamesTheFileThatCannotBeUsed) {
  EXPECT_THAT(Check(), StatusIs(StatusCode::kNotFound,
                                AllOf(HasSubstr("tls.certificate"),
                                      HasSubstr(folder_ / "actor.pem"))));
  Write("actor.pem", "no PEM");
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("tls.certificate"),
                                      HasSubstr("BEGIN CERTIFICATE"))));
  Write("actor.pem", authority_.Pem());
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("tls.key"),
                                      HasSubstr("BEGIN PRIVATE KEY"))));
  Write("ca.pem", "");
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                AllOf(HasSubstr("tls.ca"),
                                      HasSubstr(folder_ / "ca.pem"))));
}

TEST_F(TlsFilesTest, AKeyOfAnotherCertificateIsNamed) {
  Write("actor.pem", authority_.Issue({.uri = "rlhf://r/actor"}));
  v1::TlsConfig files = ConfigWithTls("r", folder_.path(), "actor").tls();
  files.set_key(folder_ / "other.pem");
  Write("other.pem", authority_.Issue({.uri = "rlhf://r/actor"}));
  EXPECT_THAT(CheckTlsFiles(files, "r", "actor"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("tls.key: " + (folder_ / "other.pem")),
                             HasSubstr("is not the key of"))));
}

}  // namespace
}  // namespace rlhf
