#include "cli/feedback_accounts.h"

#include <sys/mount.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/rpc/channel.h"
#include "feedback/access/access_control.h"
#include "feedback/feedback_server.h"
#include "feedback/open_store.h"
#include "gtest/gtest.h"
#include "rlhf/v1/feedback_import.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::ContainsRegex;
using testing::HasSubstr;
using testing::Not;

class FeedbackAccountsTest : public testing::Test {
 protected:
  void SetUp() override { WriteConfig("require_login: true"); }

  void WriteConfig(const std::string& access,
                   const std::string& http_address = "127.0.0.1:1",
                   const std::string& address = "127.0.0.1:2") {
    ASSERT_OK(WriteFileAtomically(
        config_path_,
        absl::StrCat("name: \"a\"\ninitial_policy: \"m\"\n"
                     "prompts: \"p.jsonl\"\nruns_dir: \"",
                     folder_.path(), "\"\nfeedback { http_address: \"",
                     http_address, "\" address: \"", address, "\" access { ",
                     access, " } }\n")));
  }

  // `rlhf feedback --config C ARGS`; what it prints is in out_.
  absl::Status Feedback(std::vector<std::string> args) {
    args.insert(args.end(), {"--config", config_path_});
    const auto flags = Flags::Parse(FlagsOf("feedback"), args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = FeedbackVerb(*flags);
    out_ = testing::internal::GetCapturedStdout();
    return status;
  }

  // Of the link that `invite` printed.
  static std::string SecretOf(const std::string& link) {
    return link.substr(link.find("token=") + 6, 64);
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  RealClock clock_;
  std::string out_;
};

TEST_F(FeedbackAccountsTest, LinkThatIsPrintedLetsInAtTheRunningService) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  ASSERT_OK_AND_ASSIGN(const auto service,
                       AccessControl::Open(config.feedback().access(),
                                           FeedbackFolder(config), &clock_));
  ASSERT_OK(Feedback({"invite", "--role=requester", "--name=ada"}));
  const std::string head = "http://127.0.0.1:1/join?token=";
  ASSERT_TRUE(absl::StartsWith(out_, head)) << out_;
  EXPECT_TRUE(absl::EndsWith(out_, "&name=ada\n")) << out_;
  ASSERT_OK_AND_ASSIGN(
      const Caller caller,
      service->Join(out_.substr(head.size(), 64), "ada", "a long password"));
  EXPECT_EQ(caller.role, Role::kRequester);

  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, HasSubstr("ada "));
  EXPECT_THAT(out_, HasSubstr(caller.worker_id));
  ASSERT_OK(Feedback({"disable", "ada"}));
  EXPECT_THAT(service->LogIn("ada", "a long password"),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("")));
  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, HasSubstr("disabled"));
}

TEST_F(FeedbackAccountsTest, TokenThatIsPrintedIsThePrograms) {
  ASSERT_OK(Feedback({"token", "--name=importer", "--role=requester"}));
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  ASSERT_OK_AND_ASSIGN(const auto service,
                       AccessControl::Open(config.feedback().access(),
                                           FeedbackFolder(config), &clock_));
  HttpRequest request;
  request.headers["authorization"] = "Bearer " + out_.substr(0, 64);
  EXPECT_EQ(service->Identify(request)->name, "importer");
}

TEST_F(FeedbackAccountsTest, RetractingByTheNameOfAnAccountNamesThePseudonym) {
  ASSERT_OK(WriteFileAtomically(
      folder_ / "batch.jsonl",
      "{\"prompt\": \"2+2?\", \"chosen\": \"4\", \"rejected\": \"5\"}\n"));
  ASSERT_OK(Feedback({"import", folder_ / "batch.jsonl"}));
  ASSERT_OK(Feedback({"token", "--name=robot"}));
  ASSERT_OK(Feedback({"accounts"}));
  const size_t begin = out_.find("w-", out_.find("robot"));
  ASSERT_NE(begin, std::string::npos) << out_;
  EXPECT_THAT(
      Feedback({"retract", "--worker=robot", "--by=grace", "--reason=asked"}),
      StatusIs(StatusCode::kNotFound,
               HasSubstr("retract --worker " + out_.substr(begin, 18))));
  EXPECT_THAT(
      Feedback({"retract", "--worker=rob", "--by=grace", "--reason=asked"}),
      StatusIs(StatusCode::kNotFound, Not(HasSubstr("retract --worker"))));
}

TEST_F(FeedbackAccountsTest, OpenInvitationsAreListedWithoutTheirSecrets) {
  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, Not(HasSubstr("invitation")));
  ASSERT_OK(Feedback({"invite", "--name=ada lovelace"}));
  const std::string secret = SecretOf(out_);
  ASSERT_OK(Feedback({"invite", "--role=requester", "--hours=24"}));
  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, ContainsRegex("invitation-[0-9a-f]{12} +worker +20[-0-9]+ "
                                  "[0-9:]+ UTC +ada lovelace\n"));
  EXPECT_THAT(out_, ContainsRegex("invitation-[0-9a-f]{12} +requester +20[-0-9]"
                                  "+ [0-9:]+ UTC +whoever has the link\n"));
  EXPECT_THAT(out_, Not(HasSubstr(secret.substr(0, 12))));
}

TEST_F(FeedbackAccountsTest, AnInvitationIsTakenBackByNameOrById) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  ASSERT_OK_AND_ASSIGN(const auto service,
                       AccessControl::Open(config.feedback().access(),
                                           FeedbackFolder(config), &clock_));
  ASSERT_OK(Feedback({"invite", "--name=ada"}));
  const std::string named = SecretOf(out_);
  ASSERT_OK(Feedback({"disable", "ada"}));
  EXPECT_EQ(out_,
            "\"ada\": the invitation is taken back, and its link lets nobody "
            "in\n");
  ASSERT_OK(Feedback({"invite"}));
  const std::string unnamed = SecretOf(out_);
  ASSERT_OK(Feedback({"accounts"}));
  const size_t id = out_.find("invitation-");
  ASSERT_NE(id, std::string::npos) << out_;
  ASSERT_OK(Feedback({"disable", out_.substr(id, 23)}));
  for (const std::string& secret : {named, unnamed}) {
    EXPECT_THAT(service->Join(secret, "ada", "a long password"),
                StatusIs(StatusCode::kPermissionDenied, HasSubstr("")));
  }
  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, Not(HasSubstr("invitation")));
}

// A link for a new password got lost, and its owner works on.
TEST_F(FeedbackAccountsTest, AnInvitationTakenBackByIdDisablesNoAccount) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  ASSERT_OK_AND_ASSIGN(const auto service,
                       AccessControl::Open(config.feedback().access(),
                                           FeedbackFolder(config), &clock_));
  ASSERT_OK(Feedback({"invite", "--name=ada"}));
  ASSERT_OK(service->Join(SecretOf(out_), "ada", "a long password"));
  ASSERT_OK(Feedback({"invite", "--name=ada"}));
  ASSERT_OK(Feedback({"accounts"}));
  const size_t id = out_.find("invitation-");
  ASSERT_NE(id, std::string::npos) << out_;
  ASSERT_OK(Feedback({"disable", out_.substr(id, 23)}));
  EXPECT_OK(service->LogIn("ada", "a long password"));
}

TEST_F(FeedbackAccountsTest, LinkHasThePublicAddressWhereThereIsOne) {
  WriteConfig("require_login: true public_origin: 'https://a.example'");
  ASSERT_OK(Feedback({"invite"}));
  EXPECT_TRUE(absl::StartsWith(out_, "https://a.example/join?token=")) << out_;
}

TEST_F(FeedbackAccountsTest, MistakesSayWhatIsWanted) {
  EXPECT_THAT(Feedback({"invite", "--role=boss"}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("must be worker, requester or admin")));
  EXPECT_THAT(Feedback({"disable", "nobody"}),
              StatusIs(StatusCode::kNotFound, HasSubstr("\"nobody\"")));
  for (const char* const name : {"--role=worker", "--name="}) {
    EXPECT_THAT(Feedback({"token", name}),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr("--name PROGRAM is wanted")));
  }
  WriteConfig("");
  EXPECT_THAT(Feedback({"invite"}),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("set it to true first")));
}

// Writes until the disk is full.
void FillDisk(const std::string& path) {
  std::ofstream file(path);
  while (file.write("x", 1).flush()) {
  }
}

TEST_F(FeedbackAccountsTest, FullDiskDisablesNobodyAndSaysSo) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  const std::string disk = FeedbackFolder(config);
  ASSERT_OK(MakeDirectories(disk));
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  ASSERT_OK(Feedback({"token", "--name=ada"}));
  ASSERT_OK_AND_ASSIGN(const std::string before,
                       ReadFile(disk + "/accounts.json"));
  FillDisk(disk + "/filler");
  EXPECT_THAT(Feedback({"disable", "ada"}),
              StatusIs(StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("\"ada\" is NOT disabled"),
                             HasSubstr("No space left on device"),
                             HasSubstr("free some space"))));
  EXPECT_EQ(*ReadFile(disk + "/accounts.json"), before)
      << "whole, and no other";
  for (const std::string& name : ListDirectory(disk)) {
    EXPECT_THAT(name, Not(HasSubstr(".tmp"))) << "nothing half-written is left";
  }
  ASSERT_EQ(::unlink((disk + "/filler").c_str()), 0);
  ASSERT_OK(Feedback({"disable", "ada"}));
  ASSERT_OK(Feedback({"accounts"}));
  EXPECT_THAT(out_, HasSubstr("disabled"));
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

TEST_F(FeedbackAccountsTest, ImportIntoAServiceWithALoginNeedsNoPassword) {
  ASSERT_OK_AND_ASSIGN(v1::RunConfig config, LoadRunConfig(config_path_, {}));
  config.mutable_feedback()->set_http_address("127.0.0.1:0");
  config.mutable_feedback()->set_address("127.0.0.1:0");
  v1::Prompt prompt;
  prompt.set_prompt_id("p");
  prompt.add_messages()->set_role("user");
  ASSERT_OK_AND_ASSIGN(const auto server,
                       FeedbackServer::Start(config, {prompt}));
  WriteConfig("require_login: true",
              absl::StrCat("127.0.0.1:", server->http_port()),
              absl::StrCat("127.0.0.1:", server->grpc_port()));
  ASSERT_OK(WriteFileAtomically(
      folder_ / "batch.jsonl",
      "{\"prompt\": \"2+2?\", \"chosen\": \"4\", \"rejected\": \"5\"}\n"));
  ASSERT_OK(Feedback({"import", folder_ / "batch.jsonl"}));
  EXPECT_THAT(out_, HasSubstr("1 comparison accepted"));
  ASSERT_OK(Feedback({"verify"}));
  EXPECT_THAT(out_, HasSubstr("1 comparison, 0 of them retracted"));
  ASSERT_OK(Feedback({"retract", "--worker=import:batch.jsonl", "--by=grace",
                      "--reason=asked"}));
  EXPECT_THAT(out_, HasSubstr("1 comparison retracted"));

  // Nobody else does it without a token.
  const auto stub = v1::FeedbackImport::NewStub(
      MakeChannel(absl::StrCat("127.0.0.1:", server->grpc_port())));
  v1::BatchList list;
  EXPECT_EQ(
      stub->ListBatches(ContextWithDeadline(absl::Seconds(10)).get(), {}, &list)
          .error_code(),
      grpc::StatusCode::UNAUTHENTICATED);
}

}  // namespace
}  // namespace rlhf
