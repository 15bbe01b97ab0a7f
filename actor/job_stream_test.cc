// Responses that are streamed from the policy runner to a reader.
#include <future>
#include <map>

#include "actor/actor_fixtures.h"
#include "actor/job_sampler.h"
#include "actor/response_chunker.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;

using Chunks = absl::StatusOr<std::vector<v1::GenerateChunk>>;

v1::GenerateRequest Request(int num_samples, int max_new_tokens) {
  v1::GenerateRequest request;
  *request.add_prompts() = UserPrompt("p", "one two");
  *request.add_prompts() = UserPrompt("q", "three");
  request.set_num_samples(num_samples);
  request.set_max_new_tokens(max_new_tokens);
  request.set_temperature(1);
  request.set_seed(11);
  return request;
}

class JobStreamTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(PromptCodec codec, PromptCodec::Load(TinyTokenizer()));
    codec_ = std::make_unique<PromptCodec>(std::move(codec));
    runner_ = std::make_unique<PolicyRunner>(
        GenerationEngine::Options{.max_batch = 4,
                                  .max_tokens = 400,
                                  .tokenizer = &codec_->tokenizer()},
        &metrics_.series, PolicyRunner::OnNewVersion::kRecompute);
    ASSERT_OK(runner_->Offer({.version = 8, .model = TinyPolicy(1)}));
    jobs_ =
        std::make_unique<JobSampler>(&service_, codec_.get(), runner_.get());
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&service_}));
    stub_ = v1::Generation::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  // Turns the loop once.
  void Turn() {
    jobs_->DropAbandoned();
    jobs_->TakeJobs();
    EXPECT_OK(runner_->Step());
    jobs_->HandOut();
  }
  bool TurnUntil(const std::function<bool()>& condition) {
    return Eventually([&] {
      Turn();
      return condition();
    });
  }
  bool StartSampling() {
    return Eventually([&] {
      jobs_->TakeJobs();
      return !runner_->idle();
    });
  }
  template <typename T>
  static bool IsReady(const std::future<T>& future) {
    return future.wait_for(std::chrono::seconds(0)) ==
           std::future_status::ready;
  }

  static Chunks ReadAll(grpc::ClientReader<v1::GenerateChunk>& reader) {
    std::vector<v1::GenerateChunk> chunks;
    v1::GenerateChunk chunk;
    while (reader.Read(&chunk)) chunks.push_back(chunk);
    const absl::Status status = FromGrpcStatus(reader.Finish());
    if (!status.ok()) return status;
    return chunks;
  }
  // Streams a request to its end.
  Chunks Stream(const v1::GenerateRequest& request) {
    const auto context = ContextWithDeadline(absl::Seconds(10));
    const auto reader = stub_->GenerateStream(context.get(), request);
    auto all = std::async(std::launch::async, [&] { return ReadAll(*reader); });
    EXPECT_TRUE(TurnUntil([&] { return IsReady(all); }));
    return all.get();
  }
  absl::StatusOr<v1::GenerateResponse> Call(
      const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    auto call = std::async(std::launch::async, [&] {
      const auto context = ContextWithDeadline(absl::Seconds(10));
      return FromGrpcStatus(stub_->Generate(context.get(), request, &response));
    });
    EXPECT_TRUE(TurnUntil([&] { return IsReady(call); }));
    const absl::Status status = call.get();
    if (!status.ok()) return status;
    return response;
  }

  // Every response put together, by prompt and sample.
  static std::map<std::pair<int, int>, v1::Response> Assemble(
      const std::vector<v1::GenerateChunk>& chunks) {
    std::map<std::pair<int, int>, v1::Response> responses;
    for (const v1::GenerateChunk& chunk : chunks) {
      AppendPart(chunk.part(), responses[{chunk.prompt(), chunk.sample()}]);
    }
    return responses;
  }

  TestMetrics metrics_;
  std::unique_ptr<PromptCodec> codec_;
  std::unique_ptr<PolicyRunner> runner_;
  GenerationService service_{/*capacity=*/4};
  std::unique_ptr<JobSampler> jobs_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Generation::Stub> stub_;
};

TEST_F(JobStreamTest, AStreamIsTheUnaryAnswerInParts) {
  const v1::GenerateRequest request = Request(3, 20);
  ASSERT_OK_AND_ASSIGN(const auto chunks, Stream(request));
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse whole, Call(request));
  const auto streamed = Assemble(chunks);
  ASSERT_EQ(streamed.size(), 6u);
  for (const auto& [place, response] : streamed) {
    const v1::Response& expected =
        whole.results(place.first).responses(place.second);
    EXPECT_EQ(response.text(), expected.text());
    EXPECT_THAT(response.token_ids(),
                testing::ElementsAreArray(expected.token_ids()));
    EXPECT_EQ(response.logprobs_size(), 20);
    EXPECT_EQ(response.model_logprobs_size(), 20);
    EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_LENGTH);
    ASSERT_EQ(response.policy_versions_size(), 1);
    EXPECT_EQ(response.policy_versions(0).version(), 8);
  }
  // As they come, not all at the end.
  EXPECT_GT(chunks.size(), 12u);
}

TEST_F(JobStreamTest, TheFirstTokensComeBeforeTheLastAreSampled) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  const auto reader = stub_->GenerateStream(context.get(), Request(1, 100));
  v1::GenerateChunk chunk;
  auto first =
      std::async(std::launch::async, [&] { return reader->Read(&chunk); });
  ASSERT_TRUE(StartSampling());
  EXPECT_OK(runner_->Step());
  jobs_->HandOut();
  EXPECT_TRUE(first.get());
  EXPECT_EQ(chunk.part().token_ids_size(), 1);
  EXPECT_FALSE(runner_->idle());
  context->TryCancel();
}

TEST_F(JobStreamTest, ASlowReaderHoldsUpNobodyAndLosesNothing) {
  const v1::GenerateRequest request = Request(6, 100);
  const auto context = ContextWithDeadline(absl::Seconds(30));
  const auto reader = stub_->GenerateStream(context.get(), request);
  ASSERT_TRUE(StartSampling());
  // Nothing is read until all is sampled.
  ASSERT_TRUE(TurnUntil([&] { return runner_->idle(); }));
  ASSERT_OK_AND_ASSIGN(const v1::GenerateResponse other, Call(Request(1, 3)));
  EXPECT_EQ(other.results_size(), 2);

  auto all = std::async(std::launch::async, [&] { return ReadAll(*reader); });
  ASSERT_TRUE(TurnUntil([&] { return IsReady(all); }));
  ASSERT_OK_AND_ASSIGN(const auto chunks, all.get());
  const auto responses = Assemble(chunks);
  EXPECT_EQ(responses.size(), 12u);
  for (const auto& [place, response] : responses) {
    EXPECT_EQ(response.token_ids_size(), 100);
    EXPECT_EQ(response.finish_reason(), v1::FINISH_REASON_LENGTH);
  }
}

TEST_F(JobStreamTest, CancellingFreesThePlacesInTheBatch) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  const auto reader = stub_->GenerateStream(context.get(), Request(3, 150));
  ASSERT_TRUE(StartSampling());
  EXPECT_OK(runner_->Step());
  EXPECT_EQ(runner_->room(), 0);
  context->TryCancel();
  ASSERT_TRUE(Eventually([&] {
    jobs_->DropAbandoned();
    return runner_->idle();
  }));
  EXPECT_EQ(runner_->room(), 4);
  EXPECT_EQ(FromGrpcStatus(reader->Finish()).code(), StatusCode::kCancelled);
  EXPECT_OK(Call(Request(1, 3)));
}

TEST_F(JobStreamTest, EveryTokenTellsTheVersionThatSampledIt) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  const auto reader = stub_->GenerateStream(context.get(), Request(1, 9));
  auto all = std::async(std::launch::async, [&] { return ReadAll(*reader); });
  ASSERT_TRUE(StartSampling());
  for (int i = 0; i < 4; ++i) {
    EXPECT_OK(runner_->Step());
    jobs_->HandOut();
  }
  ASSERT_OK(runner_->Offer({.version = 9, .model = TinyPolicy(2)}));
  ASSERT_TRUE(TurnUntil([&] { return IsReady(all); }));
  ASSERT_OK_AND_ASSIGN(const auto chunks, all.get());
  for (const auto& [place, response] : Assemble(chunks)) {
    ASSERT_EQ(response.policy_versions_size(), 2);
    EXPECT_EQ(response.policy_versions(0).version(), 8);
    EXPECT_EQ(response.policy_versions(0).num_tokens(), 4);
    EXPECT_EQ(response.policy_versions(1).version(), 9);
    EXPECT_EQ(response.policy_versions(1).num_tokens(), 5);
  }
}

}  // namespace
}  // namespace rlhf
