#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cli/verb_fixtures.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/control_service.h"
#include "trainer/order_desk.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// A learner's desk and service, without the learner.
class ControlVerbTest : public testing::Test {
 protected:
  void SetUp() override {
    auto server = GrpcServer::Start("127.0.0.1:0", {&service_});
    ASSERT_OK(server);
    server_ = *std::move(server);
    const std::string text = absl::StrCat(
        "name: \"a\"\ninitial_policy: \"m\"\nprompts: \"p.jsonl\"\nruns_dir: "
        "\"",
        folder_.path(), "\"\nlearner { address: \"127.0.0.1:", server_->port(),
        "\" }\n");
    ASSERT_OK(WriteFileAtomically(config_path_, text));
    ASSERT_OK_AND_ASSIGN(config_, LoadRunConfig(config_path_, {}));
    ASSERT_OK(MakeDirectories(folder_ / "a"));
    auto desk = OrderDesk::Open(config_, &clock_);
    ASSERT_OK(desk);
    desk_ = *std::move(desk);
    desk_->Reached(7, 0.001);
    service_.TakeOrdersFor(desk_.get());
  }

  // `rlhf control ARGS --config C`: its exit code; what it prints is in out_,
  // err_.
  int Control(std::vector<std::string> args) {
    args.insert(args.begin(), "control");
    args.insert(args.end(), {"--config", config_path_});
    return RunCaptured(args, out_, err_);
  }
  // The same, with name and reason.
  int Order(std::vector<std::string> args) {
    args.insert(args.end(), {"--by", "ann", "--reason", "it drifts"});
    return Control(std::move(args));
  }

  const TempDir folder_;
  const std::string config_path_ = folder_ / "run.txtpb";
  const RealClock clock_;
  v1::RunConfig config_;
  std::unique_ptr<OrderDesk> desk_;
  ControlService service_;
  std::unique_ptr<GrpcServer> server_;
  std::string out_, err_;
};

TEST_F(ControlVerbTest, AChangeIsTakenListedAndTakenBack) {
  EXPECT_EQ(Control({"list"}), 0) << err_;
  EXPECT_EQ(out_, "no order yet\n");
  EXPECT_EQ(Order({"set", "ppo.kl_coefficient=0.02", "--revert-if",
                   "kl_k1_nats_per_token > 0.5"}),
            0)
      << err_;
  EXPECT_EQ(out_,
            "order 1: ppo.kl_coefficient 0.001 -> 0.02, from update 8 on, "
            "taken back if kl_k1_nats_per_token > 0.5\n");
  EXPECT_EQ(Order({"revert", "1"}), 0) << err_;
  EXPECT_EQ(out_,
            "order 2: order 1 taken back: ppo.kl_coefficient 0.02 -> 0.001, "
            "from update 8 on\n");
  EXPECT_EQ(Control({"list"}), 0);
  EXPECT_THAT(out_, AllOf(HasSubstr("   1  20"), HasSubstr("ann        ppo."),
                          HasSubstr(": it drifts\n")));
  EXPECT_EQ(Control({"list", "--json"}), 0);
  EXPECT_THAT(out_, HasSubstr("\"action\":\"REVERT\""));
}

TEST_F(ControlVerbTest, TheRunIsPausedAndResumed) {
  EXPECT_EQ(Order({"pause"}), 0) << err_;
  EXPECT_EQ(out_, "order 1: pause after update 7\n");
  EXPECT_EQ(desk_->Pause(), "paused by ann: it drifts");
  EXPECT_EQ(Order({"pause"}), 2);
  EXPECT_THAT(err_, HasSubstr("paused already, by order 1 by ann"));
  EXPECT_EQ(Order({"resume"}), 0);
  EXPECT_EQ(desk_->Pause(), "");
}

TEST_F(ControlVerbTest, WhatTheLearnerRefusesIsTheCallersMistake) {
  EXPECT_EQ(Order({"set", "ppo.kl_coefficient=11"}), 2);
  EXPECT_THAT(err_, HasSubstr("ppo.kl_coefficient is 11; wanted at least 0 and "
                              "at most 10"));
  EXPECT_EQ(Order({"set", "ppo.kl_coeficient=1"}), 2);
  EXPECT_THAT(err_, HasSubstr("did you mean \"kl_coefficient\"?"));
  EXPECT_EQ(Control({"list"}), 0);
  EXPECT_EQ(out_, "no order yet\n");
}

TEST_F(ControlVerbTest, AnOrderWithoutNameOrReasonIsRefused) {
  for (const std::vector<std::string>& args :
       {std::vector<std::string>{"pause"},
        {"pause", "--by", "ann"},
        {"set", "ppo.learning_rate=1e-5", "--reason", "x"}}) {
    EXPECT_EQ(Control(args), 2);
    EXPECT_THAT(err_, HasSubstr("--by NAME and --reason TEXT are needed"));
  }
}

TEST_F(ControlVerbTest, AnythingElseIsExplained) {
  for (const std::vector<std::string>& args : {std::vector<std::string>{},
                                               {"paus"},
                                               {"set"},
                                               {"revert"},
                                               {"list", "x"},
                                               {"action_unspecified"}}) {
    EXPECT_EQ(Order(args), 2);
    EXPECT_THAT(err_, HasSubstr("wanted: pause, resume, checkpoint, stop, set "
                                "FIELD=VALUE, revert N, or list"));
  }
  EXPECT_EQ(Order({"set", "ppo.kl_coefficient"}), 2);
  EXPECT_THAT(err_, HasSubstr("wanted FIELD=NUMBER"));
  EXPECT_EQ(Order({"revert", "one"}), 2);
  EXPECT_THAT(err_, HasSubstr("\"one\" is no order"));
  EXPECT_EQ(Order({"pause", "--revert-if", "kl_k1_nats_per_token > 1"}), 2);
  EXPECT_THAT(err_, HasSubstr("--revert-if goes with set alone"));
}

TEST_F(ControlVerbTest, ARunThatIsNotThereIsNamedAndNotMade) {
  EXPECT_EQ(Order({"pause", "--set", "name=b"}), 2);
  EXPECT_THAT(err_, HasSubstr("/b: no run there"));
  EXPECT_FALSE(FileExists(folder_ / "b"));
}

}  // namespace
}  // namespace rlhf
