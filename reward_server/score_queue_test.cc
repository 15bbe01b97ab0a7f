#include "reward_server/score_queue.h"

#include <algorithm>

#include "core/rpc/retry_after.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class ScoreQueueTest : public testing::Test {
 protected:
  // A client's request for dialogues of so many tokens each.
  ScoreJob Job(const std::string& client, size_t tokens = 1,
               size_t dialogues = 1) {
    return {.pm = pm_,
            .sequences = std::vector<std::vector<int32_t>>(
                dialogues, std::vector<int32_t>(tokens, 5)),
            .done = [](const absl::StatusOr<PmScores>&) {},
            .client = client};
  }

  void Add(ScoreQueue& queue, ScoreJob job, absl::Time now = kStart) {
    ASSERT_OK(queue.Add(std::move(job), now));
  }

  static std::vector<std::string> Clients(const std::vector<ScoreJob>& jobs) {
    std::vector<std::string> clients;
    for (const ScoreJob& job : jobs) clients.push_back(job.client);
    return clients;
  }

  const std::shared_ptr<const LoadedPm> pm_ = std::make_shared<LoadedPm>(
      LoadedPm{.format = ChatFormat(ChatFormat::Kind::kChatMl)});
  const std::shared_ptr<const LoadedPm> other_pm_ = std::make_shared<LoadedPm>(
      LoadedPm{.format = ChatFormat(ChatFormat::Kind::kChatMl)});
};

TEST_F(ScoreQueueTest, ABatchIsDueWhenItIsFullOrTheFirstHasWaited) {
  constexpr absl::Duration kDelay = absl::Milliseconds(5);
  ScoreQueue queue(
      {.max_batch_dialogues = 3, .max_batch_tokens = 100, .max_delay = kDelay});
  EXPECT_EQ(queue.DueAt(), absl::InfiniteFuture());
  Add(queue, Job("a", 10));
  Add(queue, Job("b", 10), kStart + absl::Milliseconds(3));
  EXPECT_EQ(queue.DueAt(), kStart + kDelay);
  Add(queue, Job("c", 10), kStart + absl::Milliseconds(4));
  EXPECT_EQ(queue.DueAt(), absl::InfinitePast()) << "three dialogues";
  EXPECT_EQ(Clients(queue.TakeBatch()).size(), 3u);

  Add(queue, Job("a", 60));
  EXPECT_EQ(queue.DueAt(), kStart + kDelay);
  Add(queue, Job("b", 40));
  EXPECT_EQ(queue.DueAt(), absl::InfinitePast()) << "a hundred tokens";
}

TEST_F(ScoreQueueTest, ABatchHasOnePmAndKeepsToItsLimits) {
  ScoreQueue queue({.max_batch_dialogues = 3, .max_batch_tokens = 20});
  ScoreJob other = Job("other", 1);
  other.pm = other_pm_;
  Add(queue, Job("a", 10));
  Add(queue, std::move(other));
  Add(queue, Job("long", 11));
  Add(queue, Job("b", 5));
  Add(queue, Job("many", 1, 2));
  Add(queue, Job("c", 5));
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("a", "b", "c"));
  EXPECT_EQ(queue.num_waiting(), 4u);
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("other"));
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("long", "many"));
  EXPECT_THAT(queue.TakeBatch(), IsEmpty());
}

TEST_F(ScoreQueueTest, AJobAboveALimitIsScoredAlone) {
  ScoreQueue queue({.max_batch_dialogues = 2, .max_batch_tokens = 20});
  Add(queue, Job("large", 30));
  Add(queue, Job("a", 1));
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("large"));
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("a"));
}

TEST_F(ScoreQueueTest, OneClientWithManyJobsDoesNotStarveAnother) {
  ScoreQueue queue({.max_batch_dialogues = 10});
  for (int i = 0; i < 100; ++i) Add(queue, Job("greedy", 8));
  EXPECT_EQ(queue.TakeBatch().size(), 10u);
  // The batch after the one that is scored has the newcomer, first.
  Add(queue, Job("modest", 8));
  const std::vector<ScoreJob> batch = queue.TakeBatch();
  ASSERT_EQ(batch.size(), 10u);
  EXPECT_EQ(batch.front().client, "modest");
}

TEST_F(ScoreQueueTest, ClientsShareByTokensNotByRequests) {
  ScoreQueue queue({.max_batch_dialogues = 6});
  // Thirty tokens a job against ten: three of the short ones for a long one.
  for (int i = 0; i < 20; ++i) Add(queue, Job("long", 30));
  for (int i = 0; i < 20; ++i) Add(queue, Job("short", 10));
  std::vector<std::string> first;
  for (int i = 0; i < 2; ++i) {
    for (const std::string& client : Clients(queue.TakeBatch())) {
      first.push_back(client);
    }
  }
  EXPECT_EQ(std::count(first.begin(), first.end(), "long"), 3);
  EXPECT_EQ(std::count(first.begin(), first.end(), "short"), 9);
}

TEST_F(ScoreQueueTest, AloneAClientIsServedInOrder) {
  ScoreQueue queue({.max_batch_dialogues = 1});
  for (size_t tokens = 1; tokens <= 5; ++tokens) {
    Add(queue, Job("a", 6 - tokens));
  }
  for (size_t tokens = 1; tokens <= 5; ++tokens) {
    EXPECT_EQ(queue.TakeBatch().front().sequences.front().size(), 6 - tokens);
  }
}

TEST_F(ScoreQueueTest, WhatNobodyWaitsForIsTakenOutUnscored) {
  ScoreQueue queue({});
  ScoreJob late = Job("late");
  late.deadline = kStart + absl::Seconds(1);
  ScoreJob gone = Job("gone");
  gone.is_cancelled = [] { return true; };
  Add(queue, std::move(late));
  Add(queue, std::move(gone));
  Add(queue, Job("a"));
  EXPECT_THAT(Clients(queue.TakeUnwanted(kStart)), ElementsAre("gone"));
  EXPECT_THAT(Clients(queue.TakeUnwanted(kStart + absl::Seconds(1))),
              ElementsAre("late"));
  EXPECT_EQ(queue.num_waiting(), 1u);
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("a"));
}

TEST_F(ScoreQueueTest, TheBackgroundIsServedWhenNobodyElseWaits) {
  ScoreQueue queue({.max_delay = absl::Seconds(1)});
  ScoreJob shadow = Job("");
  shadow.background = true;
  Add(queue, shadow);
  EXPECT_EQ(queue.DueAt(), absl::InfinitePast());
  Add(queue, Job("a"));
  EXPECT_EQ(queue.DueAt(), kStart + absl::Seconds(1));
  EXPECT_THAT(Clients(queue.TakeBatch()), ElementsAre("a"));
  EXPECT_TRUE(queue.TakeBatch().front().background);
}

TEST_F(ScoreQueueTest, TheBackgroundHasAQuarterOfTheRoom) {
  ScoreQueue queue({.max_waiting = 8});
  ScoreJob shadow = Job("");
  shadow.background = true;
  Add(queue, shadow);
  Add(queue, shadow);
  EXPECT_THAT(
      queue.Add(shadow, kStart),
      StatusIs(StatusCode::kResourceExhausted, HasSubstr("background")));
  Add(queue, Job("a", 1, 6));
}

TEST_F(ScoreQueueTest, AFullQueueTellsWhenToComeAgain) {
  ScoreQueue queue({.max_waiting = 40});
  Add(queue, Job("a", 1, 40));
  const absl::Status unknown = queue.Add(Job("b"), kStart);
  EXPECT_THAT(
      unknown,
      StatusIs(StatusCode::kResourceExhausted,
               HasSubstr("40 dialogues wait already, the limit is 40")));
  EXPECT_EQ(RetryAfter(unknown), absl::Milliseconds(200));

  // A dialogue takes 30 ms: ten of them, a quarter of the queue, 300 ms.
  queue.NoteScored(10, absl::Milliseconds(300));
  EXPECT_EQ(RetryAfter(queue.Add(Job("b"), kStart)), absl::Milliseconds(300));
  // Twenty must go before there is room for twenty.
  EXPECT_EQ(RetryAfter(queue.Add(Job("b", 1, 20), kStart)),
            absl::Milliseconds(600));
  // Lately they take 80 ms: 0.8 · 30 + 0.2 · 80 = 40.
  queue.NoteScored(1, absl::Milliseconds(80));
  EXPECT_EQ(RetryAfter(queue.Add(Job("b"), kStart)), absl::Milliseconds(400));
  queue.NoteScored(1, absl::Hours(1));
  EXPECT_EQ(RetryAfter(queue.Add(Job("b"), kStart)), absl::Seconds(10));
}

TEST_F(ScoreQueueTest, AJobThatNeverFitsIsNoCaseForTryingAgain) {
  ScoreQueue queue({.max_waiting = 8});
  const absl::Status refused = queue.Add(Job("a", 1, 9), kStart);
  EXPECT_THAT(refused,
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("9 dialogues in one request; at most 8")));
  EXPECT_EQ(RetryAfter(refused), std::nullopt);
}

TEST_F(ScoreQueueTest, AllCanBeTakenAtTheEnd) {
  ScoreQueue queue({});
  ScoreJob shadow = Job("shadow");
  shadow.background = true;
  Add(queue, shadow);
  Add(queue, Job("a"));
  EXPECT_EQ(queue.TakeAll().size(), 2u);
  EXPECT_EQ(queue.num_waiting(), 0u);
}

}  // namespace
}  // namespace rlhf
