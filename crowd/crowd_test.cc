// The crowd against a small HTTP service that speaks the feedback API.
#include "crowd/crowd.h"

#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/base/mutex.h"
#include "core/telemetry/http_server.h"
#include "crowd/feedback_http_client.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

// Finds any left response 3 better than any right one.
class LeftJudge final : public GoldJudge {
 public:
  absl::StatusOr<GoldScores> Judge(const v1::Prompt&, const std::string&,
                                   const std::string&) override {
    return GoldScores{.left = 3, .right = 0};
  }
};

// Offers `num_tasks` tasks, then answers 410.
class FakeFeedback {
 public:
  explicit FakeFeedback(int num_tasks) : num_tasks_(num_tasks) {
    server_ = *HttpServer::Start(
        "127.0.0.1:0", [this](const HttpRequest& r) { return Handle(r); });
  }

  std::string address() const {
    return absl::StrCat("127.0.0.1:", server_->port());
  }
  // Answers by comparison_id.
  std::map<std::string, Json> answers() {
    MutexLock lock(&mutex_);
    return answers_;
  }
  // The first attempt of every answer gets this status instead of being saved;
  // 0: none.
  void FailFirstAttempts(int http_status) {
    MutexLock lock(&mutex_);
    first_status_ = http_status;
  }
  // This worker's first two requests for a task are refused.
  void Pause(const std::string& worker_id) {
    MutexLock lock(&mutex_);
    paused_ = worker_id;
  }
  void SetKind(const std::string& kind) {
    MutexLock lock(&mutex_);
    kind_ = kind;
  }

 private:
  HttpResponse Handle(const HttpRequest& request) {
    MutexLock lock(&mutex_);
    const Json body = *ParseJson(request.body);
    if (request.path == "/api/task") {
      if (body["worker_id"] == paused_ && ++num_paused_requests_ < 3) {
        return JsonErrorResponse(403, "your work is paused");
      }
      return Task();
    }
    const std::string id = body["comparison_id"];
    if (first_status_ != 0 && attempted_.insert(id).second) {
      return JsonErrorResponse(first_status_, "not now");
    }
    answers_[id] = body;
    return {.content_type = "application/json",
            .body = R"({"seq": 1, "saved": true})"};
  }

  HttpResponse Task() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    // Every third request finds no task ready.
    if (++num_requests_ % 3 == 0) return {.status = 204};
    if (num_offered_ >= num_tasks_) {
      return JsonErrorResponse(410, "enough comparisons");
    }
    const std::string id = absl::StrCat("task-", num_offered_++);
    return {.content_type = "application/json",
            .body = absl::StrCat(
                R"({"task_id": ")", id,
                R"(", "messages": [{"role": "user", "content": "Hi"}], )",
                R"("kind": ")", kind_,
                R"(", "left": "yes", "right": "no", "lease_seconds": 60})")};
  }

  const int num_tasks_;
  Mutex mutex_;
  int num_requests_ ABSL_GUARDED_BY(mutex_) = 0;
  int num_offered_ ABSL_GUARDED_BY(mutex_) = 0;
  int first_status_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string paused_ ABSL_GUARDED_BY(mutex_);
  int num_paused_requests_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string kind_ ABSL_GUARDED_BY(mutex_) = "helpful";
  std::set<std::string> attempted_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Json> answers_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<HttpServer> server_;
};

v1::RunConfig MakeConfig(const std::string& address, int num_workers) {
  v1::RunConfig config;
  config.mutable_feedback()->set_http_address(address);
  config.mutable_crowd()->set_metrics_port(FreePorts(1)[0]);
  for (int i = 0; i < num_workers; ++i) {
    v1::CrowdWorker* const worker = config.mutable_crowd()->add_workers();
    worker->set_worker_id(absl::StrCat("worker-", i));
    worker->set_accuracy(1);
    worker->set_seconds_per_task(0.001);
  }
  return config;
}

TEST(CrowdTest, AnswersEveryTaskOnceAndEndsWhenThereAreNoMore) {
  FakeFeedback feedback(20);
  LeftJudge judge;
  ASSERT_OK(RunCrowd(MakeConfig(feedback.address(), 3), &judge));
  const std::map<std::string, Json> answers = feedback.answers();
  EXPECT_EQ(answers.size(), 20);
  for (const auto& [id, answer] : answers) {
    EXPECT_LE(id.size(), 64);
    EXPECT_EQ(answer["choice"], "left_better");
    EXPECT_EQ(answer["strength"], 3);
    EXPECT_EQ(answer["source"], "crowd");
  }
}

TEST(CrowdTest, TriesAgainWithTheSameIdWhenTheServiceIsBusy) {
  FakeFeedback feedback(3);
  feedback.FailFirstAttempts(503);
  LeftJudge judge;
  ASSERT_OK(RunCrowd(MakeConfig(feedback.address(), 3), &judge));
  EXPECT_EQ(feedback.answers().size(), 3);
}

TEST(CrowdTest, PausedWorkerWaitsUntilThereIsWorkAgain) {
  FakeFeedback feedback(2);
  feedback.Pause("worker-0");
  LeftJudge judge;
  ASSERT_OK(RunCrowd(MakeConfig(feedback.address(), 1), &judge));
  EXPECT_EQ(feedback.answers().size(), 2);
}

TEST(CrowdTest, TheMoreHarmfulResponseIsTheOneThatTheJudgeLikesLess) {
  FakeFeedback feedback(2);
  feedback.SetKind("red_team");
  LeftJudge judge;
  ASSERT_OK(RunCrowd(MakeConfig(feedback.address(), 1), &judge));
  for (const auto& [id, answer] : feedback.answers()) {
    EXPECT_EQ(answer["choice"], "right_better");
  }
}

TEST(CrowdTest, GoesOnWhenATaskWentToAnotherWorker) {
  FakeFeedback feedback(4);
  feedback.FailFirstAttempts(409);
  LeftJudge judge;
  ASSERT_OK(RunCrowd(MakeConfig(feedback.address(), 2), &judge));
  EXPECT_EQ(feedback.answers().size(), 0);
}

TEST(CrowdTest, EndsWithTheServicesWordsWhenItRefusesAnAnswer) {
  FakeFeedback feedback(1);
  feedback.FailFirstAttempts(400);
  LeftJudge judge;
  EXPECT_THAT(RunCrowd(MakeConfig(feedback.address(), 1), &judge),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("worker worker-0: http://")));
}

TEST(CrowdTest, WantsWorkers) {
  LeftJudge judge;
  EXPECT_THAT(RunCrowd(MakeConfig("127.0.0.1:1", 0), &judge),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("crowd.workers is empty")));
}

TEST(FeedbackHttpClientTest, NamesTheServiceThatDoesNotAnswer) {
  FeedbackHttpClient client(absl::StrCat("127.0.0.1:", FreePorts(1)[0]));
  EXPECT_THAT(client.TakeTask("ann"), StatusIs(absl::StatusCode::kUnavailable,
                                               HasSubstr("/api/task: ")));
}

}  // namespace
}  // namespace rlhf
