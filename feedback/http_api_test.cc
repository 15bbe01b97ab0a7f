#include "feedback/http_api.h"

#include <sys/mount.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "feedback/api_messages.h"
#include "feedback/http_api_fixtures.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(HttpApiTest, TaskShowsTheDialogueAndBothSidesAndNothingElse) {
  AddTask(0);
  const Json task =
      *ParseJson(client_->Post("/api/task", R"({"worker_id": "ada"})").body);
  EXPECT_EQ(task.size(), 6u);
  EXPECT_EQ(task["kind"], "helpful");
  EXPECT_EQ(task["messages"][0]["role"], "user");
  EXPECT_EQ(task["messages"][0]["content"],
            "<b>How many legs has a spider?</b>");
  EXPECT_EQ(task["lease_seconds"], 600);
  const bool eight_left = task["left"] == "Eight.";
  EXPECT_EQ(task[eight_left ? "right" : "left"], "Six.");
}

TEST_F(HttpApiTest, AnswerIsStoredFromTheSidesAsShown) {
  AddTask(0);
  const Json task =
      *ParseJson(client_->Post("/api/task", R"({"worker_id": "ada"})").body);
  const HttpTestReply reply =
      Answer(task["task_id"], "c1",
             R"("choice": "left_better", "strength": 3, "seconds": 4.5)");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "{\"extra\":false,\"saved\":true,\"seq\":1}\n");

  ASSERT_OK_AND_ASSIGN(const auto log, store_->Read(1, 1));
  const v1::Comparison& stored = log.at(0);
  EXPECT_EQ(stored.choice() == v1::A_BETTER, task["left"] == "Eight.");
  EXPECT_EQ(stored.shown_swapped(), task["left"] == "Six.");
  EXPECT_EQ(stored.strength(), 3);
  EXPECT_GT(stored.worker_seconds(), 0);
  EXPECT_LT(stored.worker_seconds(), 4.5) << "longer than ada has had it";
  EXPECT_EQ(stored.worker_id(), "ada");
  EXPECT_EQ(stored.source(), "page");
  EXPECT_EQ(stored.policy_version_a(), 3);
}

TEST_F(HttpApiTest, RetryIsAcknowledgedAgainAndAnotherAnswerIsRefused) {
  AddTask(0);
  const std::string task = LeaseTask();
  EXPECT_EQ(Answer(task, "c1", R"("choice": "tie")").status, 200);
  const HttpTestReply retry = Answer(task, "c1", R"("choice": "tie")");
  EXPECT_EQ(retry.status, 200);
  EXPECT_THAT(retry.body, HasSubstr("\"seq\":1"));

  const HttpTestReply other = Answer(task, "c1", R"("choice": "both_bad")");
  EXPECT_EQ(other.status, 409);
  EXPECT_THAT(other.body, HasSubstr("saved before with another answer"));
  const HttpTestReply late = Answer(task, "c2", R"("choice": "tie")");
  EXPECT_EQ(late.status, 409);
  EXPECT_EQ(store_->GetStats().num_comparisons, 1);
}

TEST_F(HttpApiTest, AnswerThatCameTooLateIsSavedAndToldToBeExtra) {
  // Every answer comes after its lease.
  AnswerDesk desk({.lease = absl::ZeroDuration()}, store_.get(), &clock_,
                  &metrics_);
  HttpApi api(&desk, store_.get(), &registry_, &metrics_);
  const auto post = [&](const std::string& path, const Json& body) {
    HttpRequest request{.method = "POST", .path = path, .body = DumpJson(body)};
    request.headers = {{"host", "127.0.0.1"},
                       {"content-type", "application/json"}};
    return api.Handle(request);
  };
  desk.Add({MakeTask(v1::Prompt(), {"a", 1}, {"b", 1}, 0)});
  std::string task;
  for (const char* worker : {"ada", "ben"}) {
    const HttpResponse given = post("/api/task", {{"worker_id", worker}});
    ASSERT_EQ(given.status, 200) << given.body;
    task = ParseJson(given.body)->at("task_id").get<std::string>();
  }
  const auto answer = [&](const std::string& worker) {
    return post("/api/comparison", {{"worker_id", worker},
                                    {"task_id", task},
                                    {"comparison_id", "c-" + worker},
                                    {"choice", "tie"},
                                    {"comment", "long thoughts"}});
  };
  EXPECT_EQ(answer("ben").body, "{\"extra\":false,\"saved\":true,\"seq\":1}\n");
  EXPECT_EQ(answer("eve").status, 403) << "never had it";
  for (int i = 0; i < 2; ++i) {
    const HttpResponse late = answer("ada");
    EXPECT_EQ(late.status, 200) << "also when it is sent again";
    EXPECT_EQ(late.body, "{\"extra\":true,\"saved\":true,\"seq\":2}\n");
  }
  EXPECT_EQ(post("/api/continue", {{"task_id", task},
                                   {"worker_id", "ada"},
                                   {"comparison_id", "c-ada"},
                                   {"chosen", "left"},
                                   {"message", "Why?"}})
                .status,
            404)
      << "the dialogue goes on with what counts";
  EXPECT_EQ(store_->GetStats().num_comparisons, 2);
  EXPECT_EQ(desk.GetTaskStats().num_answers, 1);
  EXPECT_EQ(metrics_.extra_answers.Value(), 1);
  ASSERT_OK_AND_ASSIGN(const Json workers,
                       ParseJson(WorkersJson(desk.Workers())));
  for (const Json& worker : workers) {
    EXPECT_EQ(worker["extra_answers"], worker["worker_id"] == "ada" ? 1 : 0);
  }
}

TEST_F(HttpApiTest, NoTaskIs204AndACompleteLogIs410) {
  const std::string ada = R"({"worker_id": "ada"})";
  const HttpTestReply none = client_->Post("/api/task", ada);
  EXPECT_EQ(none.status, 204);
  EXPECT_EQ(none.body, "");
  for (int i = 0; i < 2; ++i) {
    AddTask(i);
    EXPECT_EQ(Answer(LeaseTask(), absl::StrCat("c", i),
                     R"("choice": "skip", "skip_reason": "unclear")")
                  .status,
              200);
  }
  const HttpTestReply complete = client_->Post("/api/task", ada);
  EXPECT_EQ(complete.status, 410);
  EXPECT_THAT(complete.body, HasSubstr("all of its 2 comparisons"));
}

TEST_F(HttpApiTest, BadAnswersSayWhichFieldAndWhatIsWanted) {
  const struct {
    const char* rest;
    const char* message;
  } kCases[] = {
      {R"("choice": "left")", "it must be left_better, right_better"},
      {R"("choice": "left_better")", "is null; it must be 1 (slightly"},
      {R"("choice": "left_better", "strength": 4)", "is 4; it must be 1"},
      {R"("choice": "left_better", "strength": 1.5)", "is 1.5; it must be 1"},
      {R"("choice": "tie", "strength": 2)", "left_better and right_better"},
      {R"("choice": "tie", "seconds": -1)", "is -1; it must be a number"},
      {R"("choice": "tie", "skip_reason": "x")", "may be given for skip only"},
      {R"("choice": "tie", "colour": "red")", "is not known; known are"},
      {R"("choice": "tie", "source": "me")", "it must be page or crowd"},
      {R"("choice": "tie", "flagged": 1)", "is 1; it must be true or false"},
      {R"("choice": "tie", "edited_response": "x")", "left_better and right"},
      {R"("choice": "tie", "interface_version": "")", "is empty"},
      {R"("choice": 7)", "choice"},
      {R"("strength": 1)", "choice"},
  };
  for (const auto& bad : kCases) {
    const HttpTestReply reply = Answer("t", "c", bad.rest);
    EXPECT_EQ(reply.status, 400) << bad.rest;
    EXPECT_THAT(ParseJson(reply.body)->at("error").get<std::string>(),
                HasSubstr(bad.message));
  }
  EXPECT_EQ(Answer("t", "c", R"("choice": "tie")").status, 404);
  EXPECT_EQ(Answer("t", std::string(65, 'c'), R"("choice": "tie")").status,
            400);
}

TEST_F(HttpApiTest, MalformedBodiesAreRefused) {
  EXPECT_EQ(client_->Post("/api/task", "{").status, 400);
  EXPECT_THAT(client_->Post("/api/task", "[]").body,
              HasSubstr("must be a JSON object"));
  EXPECT_THAT(client_->Post("/api/task", R"({"worker_id": "  "})").body,
              HasSubstr("is empty"));
  EXPECT_THAT(client_->Post("/api/task", R"({"worker_id": "a\nb"})").body,
              HasSubstr("control character"));
  EXPECT_EQ(client_->Post("/api/task", std::string(300'000, ' ')).status, 413);
  const HttpTestReply type = client_->Post(
      "/api/task", R"({"worker_id": "ada"})", {"Content-Type: text/plain"});
  EXPECT_EQ(type.status, 415);
  EXPECT_THAT(type.body, AllOf(HasSubstr("text/plain"),
                               HasSubstr("send application/json")));
}

TEST_F(HttpApiTest, UnknownPathsAndMethodsAreRefused) {
  EXPECT_EQ(client_->Get("/etc/passwd").status, 404);
  EXPECT_THAT(client_->Get("/api/task").body, HasSubstr("POST /api/task"));
  EXPECT_EQ(client_->Post("/api/else", "{}").status, 404);
}

TEST_F(HttpApiTest, PostFromAnotherSiteIsRefused) {
  const std::string body = R"({"worker_id": "ada"})";
  const auto post = [&](const std::string& origin) {
    return client_
        ->Post("/api/task", body,
               {"Content-Type: application/json", "Origin: " + origin})
        .status;
  };
  EXPECT_EQ(post("https://evil.example"), 403);
  EXPECT_EQ(post("null"), 403);
  EXPECT_EQ(post(absl::StrCat("http://127.0.0.1:", server_->port())), 204);
}

TEST_F(HttpApiTest, OnlyNamesOfThisMachineAreServed) {
  const auto get = [&](const std::string& host) {
    return client_->Get("/api/stats", {"Host: " + host}).status;
  };
  for (const char* host :
       {"localhost", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:7180"}) {
    EXPECT_EQ(get(host), 200) << host;
  }
  for (const char* host : {"evil.example", "evil.example:7180",
                           "127.0.0.1.evil.example", "[::2]"}) {
    EXPECT_EQ(get(host), 403) << host;
  }
}

TEST_F(HttpApiTest, EveryResponseForbidsForeignContent) {
  for (const char* path :
       {"/", "/requester", "/page.js", "/api/stats", "/nothing"}) {
    const HttpTestReply reply = client_->Get(path);
    EXPECT_THAT(
        reply.headers.at("content-security-policy"),
        AllOf(HasSubstr("default-src 'none'"),
              HasSubstr("frame-ancestors 'none'"), Not(HasSubstr("unsafe"))));
    EXPECT_EQ(reply.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(reply.headers.at("referrer-policy"), "no-referrer");
  }
}

TEST_F(HttpApiTest, DialogueGoesOnOnceItsAnswerIsSaved) {
  AddTask(0);
  const std::string task = LeaseTask();
  const auto go_on = [&](const std::string& chosen, const std::string& text) {
    return client_->Post("/api/continue", DumpJson({{"task_id", task},
                                                    {"worker_id", "ada"},
                                                    {"chosen", chosen},
                                                    {"message", text}}));
  };
  EXPECT_EQ(go_on("left", "And an ant?").status, 404) << "not answered yet";
  Answer(task, "c1", R"("choice": "tie")");
  const HttpTestReply side = go_on("middle", "And an ant?");
  EXPECT_EQ(side.status, 400);
  EXPECT_THAT(side.body, HasSubstr("it must be left or right"));
  EXPECT_EQ(go_on("left", "And an ant?").body, "{\"queued\":true}\n");
  EXPECT_EQ(go_on("left", "And a bee?").status, 409);
}

TEST_F(HttpApiTest, CommentsAreLimitedInCharactersNotInBytes) {
  AddTask(0);
  const std::string task = LeaseTask();
  const auto answer = [&](int num_characters) {
    std::string comment;
    for (int i = 0; i < num_characters; ++i) comment += "\u00e4";
    return Answer(task, "c1",
                  R"("choice": "left_better", "strength": 1, "flagged": true, )"
                  R"("edited_response": "Eight!", "interface_version": "p1", )"
                  R"("comment": ")" +
                      comment + "\"");
  };
  const HttpTestReply too_long = answer(2001);
  EXPECT_EQ(too_long.status, 400);
  EXPECT_THAT(too_long.body, HasSubstr("has 2001 characters; at most 2000"));
  EXPECT_EQ(answer(2000).status, 200);
  const v1::Comparison stored = store_->Read(1, 1)->at(0);
  EXPECT_EQ(stored.comment().size(), 4000u);
  EXPECT_TRUE(stored.flagged());
  EXPECT_EQ(stored.edited_response(), "Eight!");
  EXPECT_EQ(stored.interface_version(), "p1");
}

TEST_F(HttpApiTest, MetricsCountWhatHappened) {
  AddTask(0);
  const std::string task = LeaseTask();
  Answer(task, "c1", R"("choice": "tie", "seconds": 3)");
  Answer(task, "c2", R"("choice": "tie")");
  const std::string metrics = client_->Get("/metrics").body;
  EXPECT_THAT(metrics,
              HasSubstr("\nrlhf_comparisons_total{state=\"accepted\"} 1\n"));
  EXPECT_THAT(metrics,
              HasSubstr("\nrlhf_comparisons_total{state=\"refused\"} 1\n"));
  EXPECT_THAT(metrics,
              HasSubstr("\nrlhf_store_commit_duration_seconds_count 1\n"));
  EXPECT_EQ(client_->Get("/healthz").body, "ok\n");
}

TEST_F(HttpApiTest, FullDiskIs507AndTheSameAnswerCountsOnceThereIsSpace) {
  const std::string disk = dir_ / "disk";
  ASSERT_OK(MakeDirectories(disk));
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=256k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  {
    ASSERT_OK_AND_ASSIGN(
        const auto store,
        PreferenceStore::Open(disk + "/comparisons.db", &clock_, &metrics_));
    AnswerDesk desk({}, store.get(), &clock_, &metrics_);
    HttpApi api(&desk, store.get(), &registry_, &metrics_);
    desk.Add(
        {MakeTask(v1::Prompt(), {std::string(400'000, 'a'), 1}, {"b", 1}, 0)});
    ASSERT_OK_AND_ASSIGN(const Task task, desk.Lease("ada"));
    const HttpRequest request{
        .method = "POST",
        .path = "/api/comparison",
        .headers = {{"content-type", "application/json"},
                    {"host", "localhost"}},
        .body = absl::StrCat(R"({"worker_id": "ada", "comparison_id": "c1", )",
                             R"("choice": "tie", "task_id": ")", task.task_id,
                             "\"}")};
    const HttpResponse full = api.Handle(request);
    EXPECT_EQ(full.status, 507);
    EXPECT_THAT(full.body, HasSubstr("comparisons.db"));
    EXPECT_THAT(full.body, HasSubstr("free some space"));
    EXPECT_THAT(full.body, Not(HasSubstr(dir_.path()))) << "nobody's business";

    ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=4m"),
              0);
    EXPECT_EQ(api.Handle(request).status, 200);
    EXPECT_EQ(store->GetStats().num_comparisons, 1);
  }
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

}  // namespace
}  // namespace rlhf
