// What requesters see and do through the API.
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "feedback/http_api_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

using HttpApiRequesterTest = HttpApiTest;

TEST_F(HttpApiRequesterTest, StatsCountAllAndTheWorker) {
  AddTask(0);
  EXPECT_EQ(Answer(LeaseTask(), "c1", R"("choice": "tie")").status, 200);
  const Json stats = *ParseJson(client_->Get("/api/stats?worker_id=ada").body);
  EXPECT_EQ(stats["num_comparisons"], 1);
  EXPECT_EQ(stats["num_decided"], 0);
  EXPECT_EQ(stats["worker_comparisons"], 1);
  EXPECT_EQ(stats["num_answers"], 1);
  EXPECT_EQ(stats["max_comparisons"], 2);
  EXPECT_EQ(stats["num_retracted"], 0);
  EXPECT_EQ(stats["chain_head"], store_->GetStats().chain_head);
  for (int i = 0; i < 2; ++i) {
    ASSERT_OK(store_->Retract({.comparison_ids = {"c1"}}, "asked to", "op"));
  }
  EXPECT_EQ(ParseJson(client_->Get("/api/stats").body)->at("num_retracted"), 1);
}

TEST_F(HttpApiRequesterTest,
       WorkersAndAgreementAreShownWithNullForWhatIsNotKnown) {
  EXPECT_EQ(client_->Get("/api/workers").body, "[]\n");
  AddTask(0);
  EXPECT_EQ(Answer(LeaseTask(), "c1", R"("choice": "tie")").status, 200);
  EXPECT_OK(desk_->SetPaused("ada", true, "rita", "lunch"));
  const Json workers = *ParseJson(client_->Get("/api/workers").body);
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0]["worker_id"], "ada");
  EXPECT_EQ(workers[0]["answers"], 1);
  EXPECT_EQ(workers[0]["gold_answers"], 0);
  EXPECT_EQ(workers[0]["gold_correct"], 0);
  EXPECT_EQ(workers[0]["verdict"], "undecided");
  EXPECT_TRUE(workers[0]["left_share"].is_null());
  EXPECT_TRUE(workers[0]["median_seconds"].is_null());
  EXPECT_TRUE(workers[0]["agreement"].is_null());
  EXPECT_EQ(workers[0]["paused"], true);
  EXPECT_EQ(workers[0]["paused_by"], "rita");
  const Json agreement = *ParseJson(client_->Get("/api/agreement").body);
  EXPECT_TRUE(agreement["kappa"].is_null());
  EXPECT_TRUE(agreement["alpha"].is_null());
  EXPECT_EQ(agreement["pairs"], 0);
  EXPECT_TRUE(agreement["copies"].empty());
}

TEST_F(HttpApiRequesterTest, WhoIsNotKnownIsNeitherPausedNorLetGoOn) {
  AddTask(0);
  LeaseTask();
  for (const char* const paused : {"true", "false"}) {
    const HttpTestReply reply = client_->Post(
        "/api/workers/pause",
        absl::StrCat(R"({"worker_id": "adda", "paused": )", paused, "}"));
    EXPECT_EQ(reply.status, 404);
    EXPECT_THAT(reply.body, HasSubstr("there is no worker \\\"adda\\\""));
  }
  EXPECT_TRUE(desk_->Workers().empty());
  EXPECT_EQ(metrics_.workers_paused.Value(), 0);
}

TEST_F(HttpApiRequesterTest, WhoPausesAndWhyAreOneLineEach) {
  AddTask(0);
  LeaseTask();
  for (const char* const field : {"by", "reason"}) {
    const HttpTestReply reply =
        client_->Post("/api/workers/pause",
                      absl::StrCat(R"({"worker_id": "ada", "paused": true, ")",
                                   field, R"(": "rita\nmax"})"));
    EXPECT_EQ(reply.status, 400);
    EXPECT_THAT(reply.body,
                HasSubstr(absl::StrCat("\\\"", field, "\\\" holds")));
  }
  EXPECT_TRUE(desk_->Workers().empty());
}

TEST_F(HttpApiRequesterTest, PausedWorkerGets403WithAFriendlyWord) {
  AddTask(0);
  LeaseTask();
  EXPECT_EQ(client_
                ->Post("/api/workers/pause",
                       R"({"worker_id": "ada", "paused": true})")
                .body,
            "{\"paused\":true}\n");
  const HttpTestReply reply =
      client_->Post("/api/task", R"({"worker_id": "ada"})");
  EXPECT_EQ(reply.status, 403);
  EXPECT_THAT(reply.body, HasSubstr("your work is paused"));
  EXPECT_EQ(client_
                ->Post("/api/workers/pause",
                       R"({"worker_id": "ada", "paused": false})")
                .status,
            200);
  LeaseTask();
  EXPECT_THAT(
      client_->Post("/api/workers/pause", R"({"worker_id": "ada"})").body,
      HasSubstr("must be true or false"));
}

TEST_F(HttpApiRequesterTest,
       MalformedImportWritesNothingAndAGoodOneIsStoredOnce) {
  const std::vector<std::string> type = {"Content-Type: application/x-ndjson"};
  const std::string good =
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"
      "\n";
  const HttpTestReply bad =
      client_->Post("/api/import?source=batch.jsonl", good + "{\n", type);
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("batch.jsonl:2"));
  EXPECT_EQ(store_->GetStats().num_comparisons, 0);

  const auto import = [&] {
    return *ParseJson(
        client_->Post("/api/import?source=batch.jsonl", good, type).body);
  };
  EXPECT_EQ(import()["accepted"], 1);
  const Json again = import();
  EXPECT_EQ(again["accepted"], 0);
  EXPECT_EQ(again["duplicates"], 1);
  EXPECT_EQ(store_->Read(1, 1)->at(0).source(), "import:batch.jsonl");
  EXPECT_THAT(
      client_->Post("/api/import", good, {"Content-Type: text/plain"}).body,
      HasSubstr("send application/x-ndjson or application/json or text/csv"));
}

TEST_F(HttpApiRequesterTest, ImportsMayBeJsonAndCsvAndSayWhichTheyAre) {
  EXPECT_EQ(
      client_
          ->Post("/api/import",
                 R"([{"prompt": "1+1?", "chosen": "2", "rejected": "3"}])",
                 {"Content-Type: application/json"})
          .status,
      200);
  EXPECT_EQ(client_
                ->Post("/api/import?source=mturk",
                       "prompt,response_a,response_b,choice\nq,x,y,b\n",
                       {"Content-Type: text/csv; charset=utf-8"})
                .status,
            200);
  EXPECT_EQ(store_->Read(2, 2)->at(0).source(), "import:mturk.csv");
}

TEST_F(HttpApiRequesterTest, PausedWorkerHandsInWhatWasBegunAndGetsNoMore) {
  AddTask(0);
  AddTask(1);
  const std::string task = LeaseTask();
  EXPECT_EQ(client_
                ->Post("/api/workers/pause",
                       R"({"worker_id": "ada", "paused": true})")
                .status,
            200);
  EXPECT_EQ(Answer(task, "c1", R"("choice": "tie")").status, 200);
  const HttpTestReply next =
      client_->Post("/api/task", R"({"worker_id": "ada"})");
  EXPECT_EQ(next.status, 403);
  EXPECT_THAT(next.body, HasSubstr("paused"));
}

TEST_F(HttpApiRequesterTest,
       BatchesAreListedAndWebhooksAreNotServedWithoutASecret) {
  EXPECT_EQ(client_->Get("/api/batches").body,
            "{\"batches\":[],\"has_more\":false}\n");
  EXPECT_EQ(client_->Get("/api/batches/b-0").status, 404);
  EXPECT_EQ(client_->Post("/api/webhook/argilla", "{}").status, 404);
}

}  // namespace
}  // namespace rlhf
