#include "feedback/batch_api.h"

#include <memory>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "feedback/access/secrets.h"
#include "feedback/batch_desk_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kSecret[] = "0123456789abcdef!";

class BatchApiTest : public BatchDeskFixture {
 protected:
  BatchApiTest() {
    api_ = std::make_unique<BatchApi>(desk_.get(), &clock_, kSecret);
  }

  absl::StatusOr<HttpResponse> Post(
      const std::string& path, const std::string& body,
      std::map<std::string, std::string> headers = {},
      std::map<std::string, std::string> query = {}) {
    const HttpRequest request = {.method = "POST",
                                 .path = path,
                                 .query = std::move(query),
                                 .headers = std::move(headers),
                                 .body = body};
    const RouteMatch match = FindRoute("POST", path);
    const ApiCall call = {
        .request = request, .caller = caller_, .id = match.id};
    const absl::string_view route = match.route->path;
    if (route == "/api/import") return api_->Import(call);
    if (route == "/api/webhook/argilla") return api_->Argilla(call);
    if (route == "/api/webhook/label-studio") return api_->LabelStudio(call);
    return api_->Decide(call, absl::EndsWith(route, "/release"));
  }

  absl::StatusOr<HttpResponse> GetBatch(const std::string& id) {
    const HttpRequest request;
    return api_->Get({.request = request, .caller = caller_, .id = id});
  }

  absl::StatusOr<HttpResponse> List(std::map<std::string, std::string> query) {
    const HttpRequest request = {.query = std::move(query)};
    return api_->List({.request = request, .caller = caller_, .id = ""});
  }

  // The body of a response with the HTTP status `status`.
  Json Body(const absl::StatusOr<HttpResponse>& response, int status) {
    EXPECT_OK(response);
    if (!response.ok()) return Json();
    EXPECT_EQ(response->status, status) << response->body;
    return *ParseJson(response->body);
  }

  // Headers of Standard Webhooks for `body`, sent now.
  std::map<std::string, std::string> Signed(const std::string& id,
                                            const std::string& body) {
    const std::string now = absl::StrCat(absl::ToUnixSeconds(clock_.Now()));
    return {{"webhook-id", id},
            {"webhook-timestamp", now},
            {"webhook-signature",
             absl::StrCat(
                 "v1,", absl::Base64Escape(HmacSha256(
                            kSecret, absl::StrCat(id, ".", now, ".", body))))}};
  }

  std::string ArgillaEvent(const std::string& better) {
    return absl::StrCat(
        R"({"type": "response.created", "data": {"values": {"preference": )",
        R"({"value": ")", better, R"("}}, "status": "submitted", "record": )",
        R"({"id": "1", "fields": {"prompt": "Name a prime.", "response1": )",
        R"("Four.", "response2": "Five."}}, "user": {"id": "u1"}}})");
  }

  std::string LabelStudioEvent(absl::Time updated) {
    return absl::StrCat(
        R"({"action": "ANNOTATION_CREATED", "annotation": {"completed_by": 1, )",
        R"("result": [{"value": {"selected": "right"}, "from_name": "c", )",
        R"("to_name": "c", "type": "pairwise"}], "updated_at": ")",
        absl::FormatTime(updated, absl::UTCTimeZone()),
        R"("}, "task": {"id": 1, "data": {"prompt": "Name a prime.", )",
        R"("answer1": "Four.", "answer2": "Five."}}})");
  }

  std::unique_ptr<BatchApi> api_;
  Caller caller_ = {.proof = Caller::Proof::kNotAsked};
};

TEST_F(BatchApiTest, AnImportAnswersWithItsReport) {
  const Json report =
      Body(Post("/api/import", kPair, {}, {{"source", "f.jsonl"}}), 200);
  EXPECT_EQ(report["accepted"], 1);
  EXPECT_EQ(report["verdict"], "BATCH_ACCEPTED");
  EXPECT_EQ(report["source"], "import:f.jsonl");
  EXPECT_EQ(stored(), 1);
}

TEST_F(BatchApiTest, ADryRunWritesNothing) {
  const Json report =
      Body(Post("/api/import", kPair, {}, {{"dry_run", "1"}}), 200);
  EXPECT_EQ(report["dry_run"], true);
  EXPECT_EQ(stored(), 0);
  EXPECT_THAT(
      Post("/api/import", kPair, {}, {{"dry_run", "yes"}}).status(),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("dry_run is \"yes\"")));
}

TEST_F(BatchApiTest, ARefusedBatchIsABadRequestThatSaysWhy) {
  const Json report = Body(
      Post("/api/import", absl::StrCat(kPair, "{\n"), {}, {{"source", "f"}}),
      400);
  EXPECT_THAT(report["error"].get<std::string>(),
              AllOf(HasSubstr("f:2: "), HasSubstr("nothing was imported")));
  EXPECT_EQ(stored(), 0);
}

TEST_F(BatchApiTest, QuarantinedBatchesAreListedAndDecidedOn) {
  const std::string id =
      Body(Post("/api/import", kMail), 202)["batch_id"].get<std::string>();
  const Json list = Body(List({}), 200)["batches"];
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0]["state"], "quarantined");
  EXPECT_EQ(list[0]["comparisons"], 1);
  EXPECT_THAT(list[0]["report"].get<std::string>(),
              HasSubstr("waiting for a person"));

  const std::string path = absl::StrCat("/api/batches/", id);
  EXPECT_THAT(Post(path + "/release", R"({"by": "ada"})").status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("reason")));
  for (const char* const route : {"/release", "/refuse"}) {
    EXPECT_THAT(
        Post(path + route, R"({"by": "ada\nbob", "reason": "hers"})").status(),
        StatusIs(StatusCode::kInvalidArgument, StartsWith("\"by\" holds")));
    EXPECT_THAT(
        Post(path + route, R"({"by": "ada", "reason": "h\rers"})").status(),
        StatusIs(StatusCode::kInvalidArgument, StartsWith("\"reason\" holds")));
  }
  EXPECT_THAT(Post(path + "/release", "[]").status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("object")));
  const std::string decision = R"({"by": "ada", "reason": "hers"})";
  EXPECT_EQ(Body(Post(path + "/release", decision), 200)["accepted"], 1);
  EXPECT_EQ(stored(), 1);
  EXPECT_EQ(Body(GetBatch(id), 200)["decision"]["by"], "ada");
  EXPECT_THAT(Post(path + "/refuse", decision).status(),
              StatusIs(StatusCode::kFailedPrecondition, HasSubstr("released")));
  EXPECT_THAT(GetBatch("b-0").status(),
              StatusIs(StatusCode::kNotFound, HasSubstr("no batch \"b-0\"")));
}

TEST_F(BatchApiTest, BatchesAreListedByThePage) {
  for (const char* const name : {"a", "b", "c"}) {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(Post("/api/import", absl::StrCat(kMail, "{\"prompt\": \"", name),
                   {}, {{"source", name}}));
  }
  const Json newest = Body(List({{"limit", "2"}}), 200);
  ASSERT_EQ(newest["batches"].size(), 2u);
  EXPECT_EQ(newest["batches"][0]["source"], "import:c");
  EXPECT_EQ(newest["has_more"], true);
  const Json rest =
      Body(List({{"before", newest["batches"][1]["batch_id"]}}), 200);
  ASSERT_EQ(rest["batches"].size(), 1u);
  EXPECT_EQ(rest["batches"][0]["source"], "import:a");
  EXPECT_EQ(rest["has_more"], false);
  for (const char* const limit : {"0", "-1", "1001", "many"}) {
    EXPECT_THAT(List({{"limit", limit}}).status(),
                StatusIs(StatusCode::kInvalidArgument, HasSubstr("limit is ")));
  }
  EXPECT_THAT(List({{"before", "b-0"}}).status(),
              StatusIs(StatusCode::kNotFound, HasSubstr("\"b-0\"")));
}

TEST_F(BatchApiTest, WhereThereIsALoginTheAccountDecides) {
  const std::string id =
      Body(Post("/api/import", kMail), 202)["batch_id"].get<std::string>();
  caller_ = {.proof = Caller::Proof::kSession, .name = "grace"};
  const Json report = Body(Post(absl::StrCat("/api/batches/", id, "/refuse"),
                                R"({"by": "ada", "reason": "private"})"),
                           200);
  EXPECT_EQ(report["decision"]["by"], "grace");
}

TEST_F(BatchApiTest, ASignedResponseOfArgillaIsStored) {
  const std::string body = ArgillaEvent("response2");
  const Json answer =
      Body(Post("/api/webhook/argilla", body, Signed("m1", body)), 200);
  EXPECT_EQ(answer["accepted"], 1);
  ASSERT_EQ(stored(), 1);
  const v1::Comparison comparison = store_->Read(1, 1)->at(0);
  EXPECT_EQ(comparison.source(), "import:argilla");
  EXPECT_EQ(comparison.worker_id(), "u1");
  EXPECT_EQ(comparison.choice(), v1::B_BETTER);
}

TEST_F(BatchApiTest, AReplayIsRefused) {
  const std::string body = ArgillaEvent("response2");
  const auto headers = Signed("m1", body);
  ASSERT_OK(Post("/api/webhook/argilla", body, headers));
  EXPECT_THAT(Post("/api/webhook/argilla", body, headers).status(),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("taken before")));
  clock_.Advance(absl::Minutes(6));
  EXPECT_THAT(Post("/api/webhook/argilla", body, headers).status(),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("5 minutes")));
  EXPECT_EQ(stored(), 1);
}

TEST_F(BatchApiTest, AStrangerLearnsNothing) {
  const std::string body = ArgillaEvent("response2");
  auto headers = Signed("m1", body);
  headers["webhook-signature"] = "v1,AAAA";
  for (const std::string& sent : {body, std::string("{"), std::string("{}")}) {
    EXPECT_THAT(Post("/api/webhook/argilla", sent, headers).status(),
                StatusIs(StatusCode::kUnauthenticated,
                         HasSubstr("no signature of the webhook")));
  }
  EXPECT_THAT(
      Post("/api/webhook/label-studio", LabelStudioEvent(clock_.Now()),
           {{"x-webhook-secret", "0123456789abcdef?"}})
          .status(),
      StatusIs(StatusCode::kUnauthenticated,
               AllOf(HasSubstr("not our secret"), Not(HasSubstr(kSecret)))));
  EXPECT_EQ(stored(), 0);
}

TEST_F(BatchApiTest, LabelStudioSendsTheSecretItself) {
  const std::map<std::string, std::string> headers = {
      {"x-webhook-secret", kSecret}};
  const std::string body = LabelStudioEvent(clock_.Now());
  EXPECT_EQ(
      Body(Post("/api/webhook/label-studio", body, headers), 200)["accepted"],
      1);
  EXPECT_EQ(store_->Read(1, 1)->at(0).source(), "import:label-studio");
  EXPECT_THAT(Post("/api/webhook/label-studio", body, headers).status(),
              StatusIs(StatusCode::kAlreadyExists, HasSubstr("taken before")));
  EXPECT_THAT(Post("/api/webhook/label-studio",
                   LabelStudioEvent(clock_.Now() - absl::Minutes(6)), headers)
                  .status(),
              StatusIs(StatusCode::kUnauthenticated, HasSubstr("5 minutes")));
}

TEST_F(BatchApiTest, ARelayMaySignForLabelStudio) {
  const std::string body = LabelStudioEvent(clock_.Now());
  EXPECT_EQ(Body(Post("/api/webhook/label-studio", body, Signed("m1", body)),
                 200)["accepted"],
            1);
}

TEST_F(BatchApiTest, ASingleWithPersonalDataWaits) {
  const std::string body = ArgillaEvent("response2");
  std::string mail = body;
  mail.replace(mail.find("Five."), 5, "ada@example.org");
  EXPECT_EQ(Body(Post("/api/webhook/argilla", mail, Signed("m1", mail)),
                 202)["verdict"],
            "quarantined");
  EXPECT_EQ(stored(), 0);
}

TEST_F(BatchApiTest, EventsThatCompleteNothingAreIgnored) {
  const std::string body = R"({"type": "dataset.created"})";
  EXPECT_EQ(Body(Post("/api/webhook/argilla", body, Signed("m1", body)),
                 200)["verdict"],
            "ignored");
}

TEST_F(BatchApiTest, WhatFailedMayBeSentAgain) {
  std::string body = ArgillaEvent("response2");
  body.replace(body.find("prompt"), 6, "riddle");  // no prompt
  const auto headers = Signed("m1", body);
  Body(Post("/api/webhook/argilla", body, headers), 400);
  Body(Post("/api/webhook/argilla", body, headers), 400);
}

TEST_F(BatchApiTest, WithoutASecretThereIsNoWebhook) {
  api_ = std::make_unique<BatchApi>(desk_.get(), &clock_, "");
  const std::string body = ArgillaEvent("response2");
  for (const char* const path :
       {"/api/webhook/argilla", "/api/webhook/label-studio"}) {
    EXPECT_THAT(Post(path, body, Signed("m1", body)).status(),
                StatusIs(StatusCode::kNotFound,
                         HasSubstr("webhook_secret_file is not set")));
  }
}

}  // namespace
}  // namespace rlhf
