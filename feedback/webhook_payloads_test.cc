#include "feedback/webhook_payloads.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/comparisons/parse_comparisons.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

// With the members that Argilla 2 sends, some left out.
std::string ArgillaEvent(const std::string& type, const std::string& status) {
  return absl::StrCat(
      R"({"type": ")", type, R"(", "version": 1, )",
      R"("timestamp": "2026-11-27T05:00:00.123456Z", "data": {"id": "r1", )",
      R"("values": {"preference": {"value": "response2"}}, "status": ")",
      status, R"(", "record": {"id": "rec1", "status": "pending", "fields": )",
      R"({"prompt": "Name a prime.", "response1": "Four.", )",
      R"("response2": "Five."}, "metadata": null, "dataset": {"name": "d"}}, )",
      R"("user": {"id": "u1", "username": "ada"}}})");
}

std::string LabelStudioEvent(const std::string& action) {
  return absl::StrCat(
      R"({"action": ")", action,
      R"(", "annotation": {"id": 7, "completed_by": 10, "result": [{"value": )",
      R"({"selected": "right"}, "from_name": "c", "to_name": "c", )",
      R"("type": "pairwise"}], "was_cancelled": false, "lead_time": 4.5, )",
      R"("created_at": "2026-11-27T05:00:00Z", )",
      R"("updated_at": "2026-11-27T05:00:07.5Z"}, "project": {"id": 1}, )",
      R"("task": {"id": 1, "data": {"prompt": "Name a prime.", )",
      R"("answer1": "Four.", "answer2": "Five."}}})");
}

TEST(WebhookPayloadsTest, ASubmittedResponseOfArgillaIsAComparison) {
  for (const char* const type : {"response.created", "response.updated"}) {
    ASSERT_OK_AND_ASSIGN(const WebhookRecord record,
                         ReadArgillaEvent(ArgillaEvent(type, "submitted")));
    EXPECT_EQ(absl::ToUnixSeconds(record.time), 1795755600);
    ASSERT_TRUE(record.line.has_value());
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                         ParseComparisons(*record.line, "argilla"));
    ASSERT_THAT(parsed.comparisons, SizeIs(1));
    EXPECT_EQ(parsed.comparisons[0].choice(), v1::B_BETTER);
    EXPECT_EQ(parsed.comparisons[0].worker_id(), "u1");
    EXPECT_EQ(parsed.comparisons[0].response_b(), "Five.");
  }
}

// An export names the record by it; the other id is the server's own.
TEST(WebhookPayloadsTest, ARecordOfArgillaIsNamedByItsExternalId) {
  const auto key_of = [](const std::string& event) {
    const auto record = ReadArgillaEvent(event);
    EXPECT_OK(record);
    const auto parsed = ParseComparisons(*record->line, "argilla");
    EXPECT_OK(parsed);
    EXPECT_EQ(parsed->comparisons[0].judged_unix_ms(), 1'795'755'600'123);
    return parsed->comparisons[0].judgement_key();
  };
  const std::string event = ArgillaEvent("response.updated", "submitted");
  std::string external = event;
  external.replace(external.find(R"("id": "rec1")"), 12,
                   R"("id": "uuid", "external_id": "rec1")");
  EXPECT_FALSE(key_of(event).empty());
  EXPECT_EQ(key_of(external), key_of(event));
}

TEST(WebhookPayloadsTest, DraftsAndOtherEventsCompleteNothing) {
  EXPECT_FALSE(ReadArgillaEvent(ArgillaEvent("response.created", "draft"))
                   ->line.has_value());
  EXPECT_FALSE(ReadArgillaEvent(ArgillaEvent("record.created", "submitted"))
                   ->line.has_value());
  EXPECT_FALSE(ReadArgillaEvent(R"({"type": "ping"})")->line.has_value());
  EXPECT_FALSE(ReadLabelStudioEvent(LabelStudioEvent("TASKS_CREATED"))
                   ->line.has_value());
}

TEST(WebhookPayloadsTest, AnAnnotationOfLabelStudioIsAComparison) {
  for (const char* const action :
       {"ANNOTATION_CREATED", "ANNOTATION_UPDATED"}) {
    ASSERT_OK_AND_ASSIGN(const WebhookRecord record,
                         ReadLabelStudioEvent(LabelStudioEvent(action)));
    EXPECT_EQ(absl::ToUnixSeconds(record.time), 1795755607);
    ASSERT_TRUE(record.line.has_value());
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                         ParseComparisons(*record.line, "label-studio"));
    ASSERT_THAT(parsed.comparisons, SizeIs(1));
    EXPECT_EQ(parsed.comparisons[0].choice(), v1::B_BETTER);
    EXPECT_EQ(parsed.comparisons[0].worker_id(), "label-studio:10");
    EXPECT_EQ(parsed.comparisons[0].worker_seconds(), 4.5);
  }
}

TEST(WebhookPayloadsTest, WhatIsNoEventIsNamed) {
  using absl::StatusCode;
  for (const char* const body : {"", "[]", "{}", "{\"type\": 1}"}) {
    EXPECT_EQ(ReadArgillaEvent(body).status().code(),
              StatusCode::kInvalidArgument)
        << body;
    EXPECT_EQ(ReadLabelStudioEvent(body).status().code(),
              StatusCode::kInvalidArgument)
        << body;
  }
  EXPECT_THAT(ReadArgillaEvent(R"({"type": "response.created"})").status(),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("\"data\"")));
  EXPECT_THAT(
      ReadLabelStudioEvent(R"({"action": "ANNOTATION_CREATED"})").status(),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("\"annotation\"")));
}

}  // namespace
}  // namespace rlhf
