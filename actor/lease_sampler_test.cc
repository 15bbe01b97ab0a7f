#include "actor/lease_sampler.h"

#include "actor/actor_fixtures.h"
#include "core/nn/sampler.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/spans.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::ElementsAreArray;
using testing::SizeIs;

v1::PromptLease Lease(const std::string& id, const std::string& text) {
  v1::PromptLease lease;
  lease.set_rollout_id(id);
  lease.set_attempt(2);
  *lease.mutable_prompt() = UserPrompt("p", text);
  lease.set_sample(1);
  lease.set_pm_version(3);
  lease.set_max_new_tokens(6);
  lease.set_temperature(0.5);
  lease.set_seed(11);
  lease.set_lease_ms(10'000);
  return lease;
}

class LeaseSamplerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(PromptCodec codec, PromptCodec::Load(TinyTokenizer()));
    codec_ = std::make_unique<PromptCodec>(std::move(codec));
    ASSERT_OK_AND_ASSIGN(
        server_, GrpcServer::Start("127.0.0.1:0", {&reward_, &learner_}));
    const std::string address = absl::StrCat("127.0.0.1:", server_->port());
    submitter_ = std::make_unique<RolloutSubmitter>(address, address, 10,
                                                    &metrics_.series);
    leases_ = std::make_unique<LeaseSampler>(
        address, codec_.get(), &runner_, submitter_.get(), &metrics_.series);
  }

  // Turns the loop.
  bool RunUntil(const std::function<bool()>& condition) {
    return Eventually([&] {
      leases_->TakeLeases();
      EXPECT_OK(runner_.Step());
      leases_->HandIn();
      return condition();
    });
  }
  bool RunUntilRollouts(size_t count) {
    return RunUntil([&] { return learner_.rollouts().size() == count; });
  }

  TestMetrics metrics_;
  LengthReward reward_;
  FakeLearner learner_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<PromptCodec> codec_;
  std::unique_ptr<RolloutSubmitter> submitter_;
  PolicyRunner runner_{{.max_batch = 3, .max_tokens = 200}, &metrics_.series};
  std::unique_ptr<LeaseSampler> leases_;
};

TEST_F(LeaseSamplerTest, ALeaseBecomesARolloutOfTheVersionThatSampledIt) {
  learner_.leases = {Lease("000001/004", "one two")};
  ASSERT_OK(runner_.Offer({.version = 8, .model = TinyPolicy(1)}));
  ASSERT_TRUE(RunUntilRollouts(1));
  EXPECT_EQ(learner_.first_request().policy_version(), 8);
  EXPECT_EQ(learner_.first_request().max_leases(), 3);
  const v1::Rollout rollout = learner_.rollouts()[0];
  EXPECT_EQ(rollout.rollout_id(), "000001/004");
  EXPECT_EQ(rollout.attempt(), 2);
  EXPECT_EQ(rollout.policy_version(), 8);
  EXPECT_EQ(rollout.policy_versions_size(), 0);  // all of that one
  EXPECT_EQ(rollout.pm().version(), 3);
  EXPECT_TRUE(rollout.has_reward());

  // The same sequence by an engine of its own.
  ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                       codec_->Encode(UserPrompt("p", "one two")));
  EXPECT_THAT(rollout.prompt_ids(), ElementsAreArray(ids));
  GenerationEngine engine(TinyPolicy(1), {});
  ASSERT_OK(engine.Add({.prompt_ids = ids,
                        .stream = SampleStream(11, "p", 1),
                        .max_new_tokens = 6,
                        .temperature = 0.5}));
  std::vector<EngineResult> expected;
  while (expected.empty()) {
    ASSERT_OK_AND_ASSIGN(expected, engine.Step());
  }
  EXPECT_THAT(rollout.response_ids(), ElementsAreArray(expected[0].token_ids));
  EXPECT_EQ(rollout.response_text(), codec_->Decode(expected[0].token_ids));
  EXPECT_EQ(rollout.finish_reason(), v1::FINISH_REASON_LENGTH);
  ASSERT_EQ(rollout.behaviour_logprobs_size(), 6);
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(rollout.behaviour_logprobs(i), expected[0].logprobs[i], 1e-4);
  }
}

// From the lease through the scoring to the submission, each below the lease.
TEST_F(LeaseSamplerTest, ATracedLeaseIsFollowed) {
  const TempDir dir;
  SpanFile spans(dir.path(), "actor");
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  submitter_ = std::make_unique<RolloutSubmitter>(
      address, address, 10, &metrics_.series, RpcIdentity(), &spans);
  leases_ = std::make_unique<LeaseSampler>(address, codec_.get(), &runner_,
                                           submitter_.get(), &metrics_.series,
                                           RpcIdentity(), &spans);
  v1::PromptLease traced = Lease("000001/004", "one two");
  const TraceContext parent = TraceOf("rollout", 1);
  traced.set_traceparent(ToTraceparent(parent));
  learner_.leases = {traced, Lease("000001/005", "one two")};
  ASSERT_OK(runner_.Offer({.version = 8, .model = TinyPolicy(1)}));
  ASSERT_TRUE(RunUntilRollouts(2));
  submitter_.reset();  // after which all is written

  const std::vector<Json> all = ReadSpans(dir / "actor.jsonl");
  ASSERT_EQ(all.size(), 3);
  for (const Json& span : all) {
    EXPECT_EQ(span["traceId"], parent.trace_id);
    EXPECT_EQ(span["parentSpanId"], parent.span_id);
    EXPECT_EQ(span["status"]["code"], 1);
  }
  EXPECT_EQ(all[0]["name"], "generate");
  EXPECT_EQ(AttributeOf(all[0], "rollout_id"), "000001/004");
  EXPECT_EQ(AttributeOf(all[0], "policy_version"), "8");
  EXPECT_EQ(AttributeOf(all[0], "response_tokens"), "6");
  EXPECT_EQ(all[1]["name"], "score");
  EXPECT_EQ(AttributeOf(all[1], "pm_version"), "3");
  EXPECT_EQ(all[2]["name"], "submit");
}

TEST_F(LeaseSamplerTest, APromptThatCannotBeSampledDoesNotStopTheOthers) {
  v1::PromptLease bad = Lease("bad", "x");
  bad.set_max_new_tokens(1000);
  learner_.leases = {bad, Lease("good", "x")};
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  ASSERT_TRUE(RunUntilRollouts(1));
  EXPECT_EQ(learner_.rollouts()[0].rollout_id(), "good");
  EXPECT_EQ(metrics_.series.rollouts_failed.Value(), 1);
}

TEST_F(LeaseSamplerTest, ARolloutOfSeveralVersionsClaimsTheOldest) {
  PolicyRunner runner({.max_batch = 3, .max_tokens = 200}, &metrics_.series,
                      PolicyRunner::OnNewVersion::kKeepCache);
  LeaseSampler leases(absl::StrCat("127.0.0.1:", server_->port()), codec_.get(),
                      &runner, submitter_.get(), &metrics_.series);
  learner_.leases = {Lease("000001/004", "one two")};
  ASSERT_OK(runner.Offer({.version = 8, .model = TinyPolicy(1)}));
  ASSERT_TRUE(Eventually([&] {
    leases.TakeLeases();
    return !runner.idle();
  }));
  EXPECT_OK(runner.Step());
  EXPECT_OK(runner.Step());
  ASSERT_OK(runner.Offer({.version = 9, .model = TinyPolicy(2)}));
  ASSERT_TRUE(Eventually([&] {
    EXPECT_OK(runner.Step());
    leases.HandIn();
    return learner_.rollouts().size() == 1;
  }));
  const v1::Rollout rollout = learner_.rollouts()[0];
  EXPECT_EQ(rollout.policy_version(), 8);
  ASSERT_EQ(rollout.policy_versions_size(), 2);
  EXPECT_EQ(rollout.policy_versions(0).version(), 8);
  EXPECT_EQ(rollout.policy_versions(0).num_tokens(), 2);
  EXPECT_EQ(rollout.policy_versions(1).version(), 9);
  EXPECT_EQ(rollout.policy_versions(1).num_tokens(), 4);
}

TEST_F(LeaseSamplerTest, WithoutAPolicyNothingIsLeased) {
  learner_.leases = {Lease("a", "x")};
  leases_->TakeLeases();
  EXPECT_OK(runner_.Step());
  EXPECT_THAT(learner_.leases, SizeIs(1));
}

TEST_F(LeaseSamplerTest, ALearnerThatDoesNotAnswerHoldsNothingUp) {
  learner_.gate.Shut();
  ASSERT_OK(runner_.Offer({.version = 1, .model = TinyPolicy(1)}));
  int num_done = 0;
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(runner_.Add({.prompt_ids = {9}, .max_new_tokens = 40},
                          [&](const auto&) { ++num_done; }));
  }
  // Others' sequences are finished while the learner is asked.
  ASSERT_TRUE(RunUntil([&] { return num_done == 2; }));
  EXPECT_TRUE(learner_.gate.someone_waits());
  learner_.gate.Open();
}

}  // namespace
}  // namespace rlhf
