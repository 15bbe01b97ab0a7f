#include "actor/generation_service.h"

#include <future>

#include "actor/actor_fixtures.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

using Reply = absl::StatusOr<v1::GenerateResponse>;

v1::GenerateRequest Request() {
  v1::GenerateRequest request;
  *request.add_prompts() = UserPrompt("p", "hello");
  request.set_num_samples(1);
  request.set_max_new_tokens(4);
  request.set_temperature(1);
  return request;
}

v1::GenerateChunk Chunk(const std::string& text, int64_t version,
                        v1::FinishReason finish_reason) {
  v1::GenerateChunk chunk;
  chunk.mutable_part()->set_text(text);
  chunk.mutable_part()->add_token_ids(1);
  chunk.mutable_part()->set_finish_reason(finish_reason);
  v1::VersionRun& run = *chunk.mutable_part()->add_policy_versions();
  run.set_version(version);
  run.set_num_tokens(1);
  return chunk;
}

// What the engine's thread does with a job.
void Answer(GenerationJob& job) {
  job.chunks->Push(Chunk("yes", 7, v1::FINISH_REASON_STOP));
  job.chunks->Finish(absl::OkStatus());
}

// A service that holds one waiting request, and its callers.
class GenerationServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&service_}));
    stub_ = v1::Generation::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  Reply Call(const v1::GenerateRequest& request) {
    v1::GenerateResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    const absl::Status status =
        FromGrpcStatus(stub_->Generate(context.get(), request, &response));
    if (!status.ok()) return status;
    return response;
  }
  std::future<Reply> CallLater() {
    return std::async(std::launch::async, [this] { return Call(Request()); });
  }

  // Two calls for one place. `refused` is the answer to the one that came
  // second; the other one waits for sure.
  std::future<Reply> FillQueue(Reply& refused) {
    std::future<Reply> calls[2] = {CallLater(), CallLater()};
    int answered = -1;
    EXPECT_TRUE(Eventually([&] {
      for (int i = 0; i < 2; ++i) {
        if (calls[i].wait_for(std::chrono::seconds(0)) ==
            std::future_status::ready) {
          answered = i;
        }
      }
      return answered >= 0;
    }));
    refused = calls[answered].get();
    return std::move(calls[1 - answered]);
  }

  GenerationService service_{/*capacity=*/1};
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Generation::Stub> stub_;
};

TEST_F(GenerationServiceTest, TakesARequestToTheEngineAndTheAnswerBack) {
  auto call = CallLater();
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  EXPECT_EQ(job->request.prompts(0).prompt_id(), "p");
  EXPECT_FALSE(job->as_they_come);
  Answer(*job);
  const Reply reply = call.get();
  ASSERT_OK(reply);
  EXPECT_EQ(reply->policy_version(), 7);
  EXPECT_EQ(reply->results(0).responses(0).text(), "yes");
}

TEST_F(GenerationServiceTest, PartsBecomeResponsesInTheirPlaces) {
  v1::GenerateRequest request = Request();
  *request.add_prompts() = UserPrompt("q", "hello again");
  request.set_num_samples(2);
  auto call = std::async(std::launch::async, [&] { return Call(request); });
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  for (const int place : {3, 0, 2, 1, 3}) {
    v1::GenerateChunk chunk =
        Chunk(absl::StrCat(place, " "), 5 + place, v1::FINISH_REASON_LENGTH);
    chunk.set_prompt(place / 2);
    chunk.set_sample(place % 2);
    job->chunks->Push(chunk);
  }
  job->chunks->Finish(absl::OkStatus());
  const Reply reply = call.get();
  ASSERT_OK(reply);
  // The oldest version of any token.
  EXPECT_EQ(reply->policy_version(), 5);
  EXPECT_EQ(reply->results(0).responses(0).text(), "0 ");
  EXPECT_EQ(reply->results(0).responses(1).text(), "1 ");
  EXPECT_EQ(reply->results(1).responses(0).text(), "2 ");
  const v1::Response& last = reply->results(1).responses(1);
  EXPECT_EQ(last.text(), "3 3 ");
  EXPECT_EQ(last.token_ids_size(), 2);
  ASSERT_EQ(last.policy_versions_size(), 1);
  EXPECT_EQ(last.policy_versions(0).num_tokens(), 2);
}

TEST_F(GenerationServiceTest, AStreamGivesChunksAsTheyCome) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  const auto reader = stub_->GenerateStream(context.get(), Request());
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  EXPECT_TRUE(job->as_they_come);
  v1::GenerateChunk chunk;
  for (const char* text : {"a", "b"}) {
    job->chunks->Push(Chunk(text, 7, v1::FINISH_REASON_UNSPECIFIED));
    ASSERT_TRUE(reader->Read(&chunk));
    EXPECT_EQ(chunk.part().text(), text);
  }
  job->chunks->Finish(absl::InternalError("no memory"));
  EXPECT_FALSE(reader->Read(&chunk));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(StatusCode::kInternal, "no memory"));
}

TEST_F(GenerationServiceTest, AReaderThatLeavesIsNoticed) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  const auto reader = stub_->GenerateStream(context.get(), Request());
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  context->TryCancel();
  EXPECT_TRUE(Eventually([&] { return job->chunks->cancelled(); }));
  EXPECT_THAT(FromGrpcStatus(reader->Finish()),
              StatusIs(StatusCode::kCancelled, testing::_));
}

TEST_F(GenerationServiceTest, AnErrorOfTheEngineReachesTheCaller) {
  auto call = CallLater();
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  job->chunks->Finish(absl::InvalidArgumentError("too long"));
  EXPECT_THAT(call.get(), StatusIs(StatusCode::kInvalidArgument, "too long"));
}

TEST_F(GenerationServiceTest, AFullQueueRefusesAndTheWaitingCallIsAnswered) {
  Reply refused;
  auto waiting = FillQueue(refused);
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted,
                                HasSubstr("generation queue is full")));
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  Answer(*job);
  EXPECT_OK(waiting.get());
}

TEST_F(GenerationServiceTest, StopAnswersTheCallThatWaitsAndThoseAfterIt) {
  Reply refused;
  auto waiting = FillQueue(refused);
  service_.Stop();
  EXPECT_THAT(waiting.get(), StatusIs(StatusCode::kUnavailable,
                                      HasSubstr("the actor is stopping")));
  EXPECT_THAT(Call(Request()), StatusIs(StatusCode::kUnavailable,
                                        HasSubstr("the actor is stopping")));
}

TEST_F(GenerationServiceTest, AJobThatIsDroppedIsAnswered) {
  auto call = CallLater();
  ASSERT_NE(service_.Next(absl::Seconds(10)), nullptr);
  EXPECT_THAT(call.get(), StatusIs(StatusCode::kUnavailable,
                                   HasSubstr("the actor is stopping")));
}

TEST_F(GenerationServiceTest, ACallerThatLeavesHoldsNothingUp) {
  const auto context = ContextWithDeadline(absl::Seconds(10));
  auto leaving = std::async(std::launch::async, [&] {
    v1::GenerateResponse response;
    return FromGrpcStatus(stub_->Generate(context.get(), Request(), &response));
  });
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  context->TryCancel();
  EXPECT_THAT(leaving.get(), StatusIs(StatusCode::kCancelled, testing::_));
  EXPECT_TRUE(Eventually([&] { return job->chunks->cancelled(); }));
  Answer(*job);  // nobody listens
  auto call = CallLater();
  const auto next = service_.Next(absl::Seconds(10));
  ASSERT_NE(next, nullptr);
  Answer(*next);
  EXPECT_OK(call.get());
}

TEST_F(GenerationServiceTest, RefusesParametersOutOfRange) {
  const auto expect = [&](const v1::GenerateRequest& request,
                          const std::string& message) {
    EXPECT_THAT(Call(request),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
  };
  v1::GenerateRequest request = Request();
  request.clear_prompts();
  expect(request, "prompts: at least one");
  request = Request();
  request.set_num_samples(65);
  expect(request, "num_samples: 65; wanted 1 to 64");
  request = Request();
  request.set_max_new_tokens(0);
  expect(request, "max_new_tokens: wanted at least 1");
  request = Request();
  request.set_temperature(-0.5);
  expect(request, "temperature: -0.5; wanted 0 to 10");
  request = Request();
  request.set_time_limit_ms(-1);
  expect(request, "time_limit_ms: -1; wanted 0 (no limit) or more");
  EXPECT_EQ(service_.Next(absl::ZeroDuration()), nullptr);
}

}  // namespace
}  // namespace rlhf
