#include "actor/job_sampler.h"

#include <future>
#include <optional>

#include "actor/actor_fixtures.h"
#include "core/nn/sampler.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

using Reply = absl::StatusOr<v1::GenerateResponse>;

v1::GenerateRequest Request() {
  v1::GenerateRequest request;
  *request.add_prompts() = UserPrompt("p", "one two");
  *request.add_prompts() = UserPrompt("q", "three");
  request.set_num_samples(2);
  request.set_max_new_tokens(6);
  request.set_temperature(1);
  request.set_seed(11);
  return request;
}

class JobSamplerTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(PromptCodec codec, PromptCodec::Load(TinyTokenizer()));
    codec_ = std::make_unique<PromptCodec>(std::move(codec));
    runner_ = std::make_unique<PolicyRunner>(
        GenerationEngine::Options{.max_batch = 3,
                                  .max_tokens = 200,
                                  .tokenizer = &codec_->tokenizer()},
        &metrics_.series);
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&service_}));
    stub_ = v1::Generation::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  void LoadPolicy() {
    ASSERT_OK(runner_->Offer({.version = 8, .model = TinyPolicy(1)}));
  }

  std::future<Reply> CallLater(const v1::GenerateRequest& request) {
    return std::async(std::launch::async, [this, request]() -> Reply {
      v1::GenerateResponse response;
      const auto context = ContextWithDeadline(absl::Seconds(10));
      const absl::Status status =
          FromGrpcStatus(stub_->Generate(context.get(), request, &response));
      if (!status.ok()) return status;
      return response;
    });
  }

  // Calls, and turns the loop until the call is answered.
  Reply Call(const v1::GenerateRequest& request) {
    JobSampler jobs(&service_, codec_.get(), runner_.get());
    auto call = CallLater(request);
    EXPECT_TRUE(Eventually([&] {
      jobs.DropAbandoned();
      jobs.TakeJobs();
      EXPECT_OK(runner_->Step());
      jobs.HandOut();
      return call.wait_for(std::chrono::seconds(0)) ==
             std::future_status::ready;
    }));
    return call.get();
  }

  TestMetrics metrics_;
  std::unique_ptr<PromptCodec> codec_;
  std::unique_ptr<PolicyRunner> runner_;
  GenerationService service_{/*capacity=*/4};
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Generation::Stub> stub_;
};

TEST_F(JobSamplerTest, AnswersEveryPromptAndSampleInItsPlace) {
  LoadPolicy();
  const v1::GenerateRequest request = Request();
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse reply, Call(request));
  EXPECT_EQ(reply.policy_version(), 8);
  ASSERT_EQ(reply.results_size(), 2);
  for (int p = 0; p < 2; ++p) {
    ASSERT_EQ(reply.results(p).responses_size(), 2);
    for (int s = 0; s < 2; ++s) {
      // The same sequence by an engine of its own.
      ASSERT_OK_AND_ASSIGN(const std::vector<int32_t> ids,
                           codec_->Encode(request.prompts(p)));
      GenerationEngine engine(TinyPolicy(1), {});
      ASSERT_OK(engine.Add(
          {.prompt_ids = ids,
           .stream = SampleStream(11, request.prompts(p).prompt_id(), s),
           .max_new_tokens = 6}));
      std::vector<EngineResult> expected;
      while (expected.empty()) {
        ASSERT_OK_AND_ASSIGN(expected, engine.Step());
      }
      const v1::Response& response = reply.results(p).responses(s);
      EXPECT_THAT(response.token_ids(),
                  testing::ElementsAreArray(expected[0].token_ids));
      EXPECT_EQ(response.logprobs_size(), 6);
      // A batch of four rounds otherwise.
      EXPECT_THAT(response.model_logprobs(),
                  testing::Pointwise(testing::FloatNear(1e-4F),
                                     expected[0].model_logprobs));
      ASSERT_EQ(response.policy_versions_size(), 1);
      EXPECT_EQ(response.policy_versions(0).version(), 8);
      EXPECT_EQ(response.policy_versions(0).num_tokens(), 6);
      EXPECT_EQ(response.text(), codec_->Decode(expected[0].token_ids));
      EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_LENGTH);
    }
  }
}

TEST_F(JobSamplerTest, WithoutAPolicyACallIsToldToComeBack) {
  EXPECT_THAT(Call(Request()), StatusIs(StatusCode::kUnavailable,
                                        HasSubstr("no policy is loaded yet")));
}

TEST_F(JobSamplerTest, OneBadPromptRefusesTheWholeCallAndStartsNothing) {
  LoadPolicy();
  v1::GenerateRequest request = Request();
  std::string words;
  for (int i = 0; i < 300; ++i) absl::StrAppend(&words, "word ");
  *request.mutable_prompts(1) = UserPrompt("q", words);
  EXPECT_THAT(Call(request),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("prompts[1]"),
                             HasSubstr("exceed the limit of 200 tokens"))));
  EXPECT_TRUE(runner_->idle());

  request.mutable_prompts(0)->clear_messages();
  EXPECT_THAT(Call(request),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("prompts[0]")));
}

TEST_F(JobSamplerTest, ACallerThatGoesAwayLeavesNoSequenceBehind) {
  LoadPolicy();
  JobSampler jobs(&service_, codec_.get(), runner_.get());
  v1::GenerateRequest request = Request();
  request.set_max_new_tokens(100);
  v1::GenerateResponse response;
  const auto context = ContextWithDeadline(absl::Seconds(10));
  std::jthread caller([&] {
    EXPECT_EQ(stub_->Generate(context.get(), request, &response).error_code(),
              grpc::CANCELLED);
  });
  ASSERT_TRUE(Eventually([&] {
    jobs.TakeJobs();
    return !runner_->idle();
  }));
  // Four sequences, of which three run.
  EXPECT_OK(runner_->Step());
  context->TryCancel();
  ASSERT_TRUE(Eventually([&] {
    jobs.DropAbandoned();
    return runner_->idle();
  }));
  // What is called afterwards is answered as ever.
  EXPECT_OK(Call(Request()));
}

TEST_F(JobSamplerTest, ACallOfManyResponsesBeginsOnlyThoseThatHaveAPlace) {
  LoadPolicy();
  JobSampler jobs(&service_, codec_.get(), runner_.get());
  v1::GenerateRequest request = Request();
  request.set_num_samples(5);
  auto call = CallLater(request);
  ASSERT_TRUE(Eventually([&] {
    jobs.TakeJobs();
    return !runner_->idle();
  }));
  ASSERT_OK(runner_->Offer({.version = 9, .model = TinyPolicy(2)}));
  // Three of ten run; the new version waits for these alone.
  for (int step = 0; step < 6; ++step) {
    EXPECT_FALSE(runner_->accepting());
    ASSERT_OK(runner_->Step());
    jobs.HandOut();
  }
  EXPECT_EQ(runner_->version(), 9);
  ASSERT_TRUE(Eventually([&] {
    jobs.TakeJobs();
    EXPECT_OK(runner_->Step());
    jobs.HandOut();
    return call.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
  }));
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse reply, call.get());
  int num_of_old = 0;
  for (const auto& result : reply.results()) {
    for (const v1::Response& response : result.responses()) {
      ASSERT_EQ(response.policy_versions_size(), 1);
      num_of_old += response.policy_versions(0).version() == 8 ? 1 : 0;
    }
  }
  EXPECT_EQ(num_of_old, 3);
}

TEST_F(JobSamplerTest, ACallThatIsUnfinishedWhenTheActorStopsIsAnswered) {
  LoadPolicy();
  std::optional<JobSampler> jobs;
  jobs.emplace(&service_, codec_.get(), runner_.get());
  auto call = CallLater(Request());
  ASSERT_TRUE(Eventually([&] {
    jobs->TakeJobs();
    return !runner_->idle();
  }));
  EXPECT_OK(runner_->Step());
  jobs.reset();
  EXPECT_THAT(call.get(), StatusIs(StatusCode::kUnavailable,
                                   HasSubstr("the actor is stopping")));
}

// The first two bytes side by side, not at the very beginning, that are ASCII.
std::string AsciiPairOf(const std::string& text) {
  for (size_t i = 2; i + 1 < text.size(); ++i) {
    if ((text[i] & 0x80) == 0 && (text[i + 1] & 0x80) == 0) {
      return text.substr(i, 2);
    }
  }
  return "";
}

TEST_F(JobSamplerTest, SamplingParametersReachTheEngine) {
  LoadPolicy();
  v1::GenerateRequest request = Request();
  request.set_max_new_tokens(40);
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse plain, Call(request));
  const std::string& text = plain.results(0).responses(0).text();
  const std::string stop = AsciiPairOf(text);
  ASSERT_NE(stop, "");

  request.add_stop(stop);
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse stopped, Call(request));
  const v1::Response& response = stopped.results(0).responses(0);
  EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_STOP_STRING);
  EXPECT_EQ(response.text(), text.substr(0, text.find(stop)));

  request = Request();
  request.set_top_k(1);
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse likeliest, Call(request));
  request.set_top_k(0);
  request.set_temperature(0);
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse greedy, Call(request));
  EXPECT_THAT(
      likeliest.results(1).responses(0).token_ids(),
      testing::ElementsAreArray(greedy.results(1).responses(0).token_ids()));

  request.set_top_p(1.5);
  EXPECT_THAT(Call(request),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("prompts[0]: top_p: 1.5; wanted above 0")));
}

TEST_F(JobSamplerTest, AResponseThatIsOutOfTimeIsGivenAsItIs) {
  LoadPolicy();
  v1::GenerateRequest request = Request();
  request.set_max_new_tokens(100);
  request.set_time_limit_ms(1);
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse reply, Call(request));
  for (const v1::PromptResponses& result : reply.results()) {
    for (const v1::Response& response : result.responses()) {
      EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_DEADLINE);
      EXPECT_EQ(response.logprobs_size(), response.token_ids_size());
    }
  }
}

}  // namespace
}  // namespace rlhf
