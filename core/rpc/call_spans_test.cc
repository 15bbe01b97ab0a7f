#include "core/rpc/call_spans.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/picky_reward.h"
#include "core/telemetry/shared_span.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/spans.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class CallSpansTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_OK_AND_ASSIGN(server_, GrpcServer::Start("127.0.0.1:0", {&service_},
                                                    nullptr, {}, &spans_));
    stub_ = v1::Reward::NewStub(
        MakeChannel(absl::StrCat("127.0.0.1:", server_->port())));
  }

  void Score(int64_t pm_version, const std::string& traceparent = "") {
    v1::ScoreRequest request;
    request.set_pm_version(pm_version);
    v1::ScoreResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(10));
    context->set_wait_for_ready(true);
    if (!traceparent.empty()) context->AddMetadata(kTraceparent, traceparent);
    stub_->Score(context.get(), request, &response);
  }

  // Once the server has ended, so that none is on its way.
  std::vector<Json> Spans() {
    server_.reset();
    return ReadSpans(dir_ / "reward-server.jsonl");
  }

  TempDir dir_;
  SpanFile spans_{dir_.path(), "reward-server"};
  PickyReward service_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<v1::Reward::Stub> stub_;
};

TEST_F(CallSpansTest, ACallIsASpanOfWhatItsCallerWorksFor) {
  SpanFile of_caller(dir_.path(), "actor");
  std::string caller;
  {
    const SharedSpan span(&of_caller, "score", {TraceOf("rollout", 1)});
    caller = ActiveTrace()->span_id;
    Score(1);
  }
  const std::vector<Json> spans = Spans();
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(spans[0]["name"], "rlhf.v1.Reward/Score");
  EXPECT_EQ(spans[0]["kind"], 2);
  EXPECT_EQ(spans[0]["traceId"], TraceOf("rollout", 1).trace_id);
  EXPECT_EQ(spans[0]["parentSpanId"], caller);
  EXPECT_EQ(spans[0]["status"]["code"], 1);
}

TEST_F(CallSpansTest, ARefusalIsSaid) {
  Score(0, ToTraceparent(TraceOf("rollout", 1)));
  const std::vector<Json> spans = Spans();
  ASSERT_THAT(spans, SizeIs(1));
  EXPECT_EQ(spans[0]["status"]["code"], 2);
  EXPECT_EQ(spans[0]["status"]["message"], "no PM");
}

TEST_F(CallSpansTest, WhoDoesNotRecordOrWritesNonsenseHasNone) {
  Score(1);
  Score(1, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00");
  Score(1, "nonsense");
  EXPECT_THAT(Spans(), IsEmpty());
}

}  // namespace
}  // namespace rlhf
