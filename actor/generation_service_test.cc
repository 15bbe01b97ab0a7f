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
  v1::GenerateResponse answer;
  answer.set_policy_version(7);
  job->answer.set_value(answer);
  const Reply reply = call.get();
  ASSERT_OK(reply);
  EXPECT_EQ(reply->policy_version(), 7);
}

TEST_F(GenerationServiceTest, AnErrorOfTheEngineReachesTheCaller) {
  auto call = CallLater();
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  job->answer.set_value(absl::InvalidArgumentError("too long"));
  EXPECT_THAT(call.get(), StatusIs(StatusCode::kInvalidArgument, "too long"));
}

TEST_F(GenerationServiceTest, AFullQueueRefusesAndTheWaitingCallIsAnswered) {
  Reply refused;
  auto waiting = FillQueue(refused);
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted,
                                HasSubstr("generation queue is full")));
  const auto job = service_.Next(absl::Seconds(10));
  ASSERT_NE(job, nullptr);
  job->answer.set_value(v1::GenerateResponse());
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
  job->answer.set_value(v1::GenerateResponse());  // nobody listens
  auto call = CallLater();
  const auto next = service_.Next(absl::Seconds(10));
  ASSERT_NE(next, nullptr);
  next->answer.set_value(v1::GenerateResponse());
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
  EXPECT_EQ(service_.Next(absl::ZeroDuration()), nullptr);
}

}  // namespace
}  // namespace rlhf
