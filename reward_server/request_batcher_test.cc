#include "reward_server/request_batcher.h"

#include <future>
#include <latch>
#include <optional>
#include <thread>

#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/nn/sequence_scores.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward_server/reward_fixtures.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;
using testing::SizeIs;

using Sequences = std::vector<std::vector<int32_t>>;
using Scores = absl::StatusOr<PmScores>;

// What becomes of one request.
class Answer {
 public:
  ScoreJob Job(std::shared_ptr<const LoadedPm> pm, Sequences sequences) {
    return {.pm = std::move(pm),
            .sequences = std::move(sequences),
            .done = [this](Scores scores) {
              promise_.set_value(std::move(scores));
            }};
  }
  Scores Get() { return promise_.get_future().get(); }

 private:
  std::promise<Scores> promise_;
};

// A batcher of which each test may hold up the thread: what is added meanwhile
// waits together.
class RequestBatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    batcher_.emplace(RequestBatcher::Options{
        .queue = {.max_waiting = 8, .max_batch_tokens = 10}});
    ASSERT_OK(batcher_->Add(
        {.pm = first_pm_, .sequences = {{5}}, .done = [this](const Scores&) {
           held_.count_down();
           release_.wait();
         }}));
    held_.wait();
  }
  void TearDown() override { Release(); }
  void Release() {
    if (!release_.try_wait()) release_.count_down();
  }

  void ExpectScoresOf(const LoadedPm& pm, const Sequences& sequences,
                      const Scores& scores) {
    ASSERT_OK(scores);
    ASSERT_OK_AND_ASSIGN(const std::vector<float> expected,
                         ScoreSequences(pm.model(), sequences, 1000));
    ASSERT_THAT(scores->combined, SizeIs(expected.size()));
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_NEAR(scores->combined[i], expected[i], 1e-5);
    }
  }

  const std::shared_ptr<const LoadedPm> first_pm_ = TinyPm(1, 1);
  const std::shared_ptr<const LoadedPm> second_pm_ = TinyPm(2, 2);
  std::latch held_{1}, release_{1};
  std::optional<RequestBatcher> batcher_;
};

TEST_F(RequestBatcherTest, RequestsThatWaitAreScoredTogetherEachInItsOrder) {
  const Sequences a = {{9, 81}, {17}}, b = {{33, 34, 35}}, c = {{500}, {4, 5}};
  Answer of_b, of_c;
  std::promise<std::pair<Scores, size_t>> of_a;
  ASSERT_OK(batcher_->Add(
      {.pm = first_pm_, .sequences = a, .done = [&](Scores scores) {
         of_a.set_value({std::move(scores), batcher_->num_waiting()});
       }}));
  ASSERT_OK(batcher_->Add(of_b.Job(first_pm_, b)));
  ASSERT_OK(batcher_->Add(of_c.Job(first_pm_, c)));
  EXPECT_EQ(batcher_->num_waiting(), 5u);
  Release();
  const auto [scores, num_waiting] = of_a.get_future().get();
  EXPECT_EQ(num_waiting, 0u) << "the others were not taken with the first";
  ExpectScoresOf(*first_pm_, a, scores);
  ExpectScoresOf(*first_pm_, b, of_b.Get());
  ExpectScoresOf(*first_pm_, c, of_c.Get());
}

TEST_F(RequestBatcherTest, EachRequestIsScoredByThePmItNames) {
  const Sequences sequences = {{9, 81}, {17}};
  Answer a, b, c;
  ASSERT_OK(batcher_->Add(a.Job(first_pm_, sequences)));
  ASSERT_OK(batcher_->Add(b.Job(second_pm_, sequences)));
  ASSERT_OK(batcher_->Add(c.Job(first_pm_, sequences)));
  Release();
  ExpectScoresOf(*first_pm_, sequences, a.Get());
  ExpectScoresOf(*second_pm_, sequences, b.Get());
  ExpectScoresOf(*first_pm_, sequences, c.Get());
}

TEST_F(RequestBatcherTest, AFullQueueRefusesWithoutCallingBack) {
  Answer waiting, after;
  ASSERT_OK(batcher_->Add(waiting.Job(first_pm_, Sequences(7, {5}))));
  EXPECT_THAT(
      batcher_->Add(
          {.pm = first_pm_,
           .sequences = {{5}, {6}},
           .done = [](const Scores&) { ADD_FAILURE() << "called back"; }}),
      StatusIs(StatusCode::kResourceExhausted,
               HasSubstr("7 dialogues wait already, the limit is 8")));
  // One dialogue has room still.
  EXPECT_OK(batcher_->Add(after.Job(first_pm_, {{5}})));
  Release();
  EXPECT_THAT(waiting.Get()->combined, SizeIs(7));
  EXPECT_OK(after.Get());
  EXPECT_EQ(batcher_->num_waiting(), 0u);
}

TEST_F(RequestBatcherTest, ARequestLargerThanTheQueueIsNoCaseForTryingAgain) {
  Answer answer;
  EXPECT_THAT(batcher_->Add(answer.Job(first_pm_, Sequences(9, {5}))),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("9 dialogues in one request; at most 8")));
}

TEST_F(RequestBatcherTest, OnlyWhatOneForwardPassTakesIsTakenTogether) {
  Answer second;
  std::promise<size_t> still_waiting;
  ASSERT_OK(batcher_->Add({.pm = first_pm_,
                           .sequences = {{1, 2, 3, 4, 5}},
                           .done = [&](const Scores&) {
                             still_waiting.set_value(batcher_->num_waiting());
                           }}));
  ASSERT_OK(batcher_->Add(second.Job(first_pm_, {{5, 4, 3, 2, 1, 0}})));
  Release();
  EXPECT_EQ(still_waiting.get_future().get(), 1u);
  EXPECT_OK(second.Get());
}

TEST_F(RequestBatcherTest, WhatNobodyWaitsForIsNotScored) {
  Answer gone, wanted;
  ScoreJob job = gone.Job(first_pm_, {{9999}});  // would fail otherwise
  job.is_cancelled = [] { return true; };
  ASSERT_OK(batcher_->Add(std::move(job)));
  ASSERT_OK(batcher_->Add(wanted.Job(first_pm_, {{5}})));
  Release();
  EXPECT_THAT(gone.Get(),
              StatusIs(StatusCode::kCancelled, HasSubstr("went away")));
  EXPECT_OK(wanted.Get());
}

TEST_F(RequestBatcherTest, WhatCameTooLateIsNotScored) {
  Answer late, wanted;
  ScoreJob job = late.Job(first_pm_, {{9999}});  // would fail otherwise
  job.deadline = MonotonicNow();
  ASSERT_OK(batcher_->Add(std::move(job)));
  ASSERT_OK(batcher_->Add(wanted.Job(first_pm_, {{5}})));
  Release();
  EXPECT_THAT(late.Get(), StatusIs(StatusCode::kDeadlineExceeded,
                                   HasSubstr("while the request waited")));
  EXPECT_OK(wanted.Get());
}

// Four dialogues of eight tokens, one a pass.
Sequences FourPasses() {
  Sequences sequences;
  for (int32_t i = 0; i < 4; ++i) sequences.emplace_back(8, 30 + 7 * i);
  return sequences;
}

TEST_F(RequestBatcherTest, ALongRequestIsOfOnePmThoughAnotherIsPromoted) {
  PmSlots slots;
  slots.Swap(first_pm_);
  int num_asked = 0;
  Answer answer;
  ASSERT_OK_AND_ASSIGN(const auto pm, slots.Get(0));
  ScoreJob job = answer.Job(pm, FourPasses());
  job.is_cancelled = [&] {
    // Before a pass in the middle.
    if (++num_asked == 4) slots.Swap(second_pm_);
    return false;
  };
  ASSERT_OK(batcher_->Add(std::move(job)));
  Release();
  ExpectScoresOf(*first_pm_, FourPasses(), answer.Get());
  EXPECT_EQ(slots.serving(), second_pm_);
}

TEST_F(RequestBatcherTest, ALongRequestEndsWithTheClientThatLeaves) {
  int num_asked = 0;
  Answer answer, after;
  ScoreJob job = answer.Job(first_pm_, FourPasses());
  job.is_cancelled = [&] { return ++num_asked > 3; };
  ASSERT_OK(batcher_->Add(std::move(job)));
  ASSERT_OK(batcher_->Add(after.Job(first_pm_, {{5}})));
  Release();
  EXPECT_THAT(answer.Get(),
              StatusIs(StatusCode::kCancelled, HasSubstr("went away")));
  EXPECT_OK(after.Get());
}

TEST_F(RequestBatcherTest, ALongRequestEndsWhenItsDeadlinePasses) {
  int num_asked = 0;
  Answer answer;
  ScoreJob job = answer.Job(first_pm_, FourPasses());
  const absl::Time deadline = MonotonicNow() + absl::Milliseconds(500);
  job.deadline = deadline;
  job.is_cancelled = [&num_asked, deadline] {
    // The second pass takes until after the deadline.
    if (++num_asked == 3) {
      while (MonotonicNow() <= deadline) absl::SleepFor(absl::Milliseconds(1));
    }
    return false;
  };
  ASSERT_OK(batcher_->Add(std::move(job)));
  Release();
  EXPECT_THAT(answer.Get(), StatusIs(StatusCode::kDeadlineExceeded,
                                     HasSubstr("the deadline passed while")));
}

TEST_F(RequestBatcherTest, AMemberOfABatchThatNobodyWantsIsToldSo) {
  // Both fail together, and are scored again each by itself.
  int num_asked = 0;
  Answer gone, bad;
  ScoreJob job = gone.Job(first_pm_, {{5}});
  job.is_cancelled = [&] { return ++num_asked > 1; };
  ASSERT_OK(batcher_->Add(std::move(job)));
  ASSERT_OK(batcher_->Add(bad.Job(first_pm_, {{9999}})));
  Release();
  EXPECT_THAT(gone.Get(),
              StatusIs(StatusCode::kCancelled, HasSubstr("went away")));
  EXPECT_THAT(bad.Get(), StatusIs(StatusCode::kInvalidArgument,
                                  HasSubstr("token id 9999 is outside")));
}

// With an hour's delay only a full batch is scored.
TEST(RequestBatcherDelayTest, RequestsWaitForOthersUntilTheBatchIsFull) {
  const auto pm = TinyPm(1, 1);
  std::vector<size_t> batches;
  RequestBatcher batcher(
      {.queue = {.max_batch_dialogues = 3, .max_delay = absl::Hours(1)},
       .on_batch = [&](size_t num_dialogues, int64_t) {
         batches.push_back(num_dialogues);
       }});
  Answer answers[3];
  for (Answer& answer : answers) {
    ASSERT_OK(batcher.Add(answer.Job(pm, {{5, 6}})));
  }
  for (Answer& answer : answers) EXPECT_OK(answer.Get());
  EXPECT_THAT(batches, testing::ElementsAre(3));
}

TEST(RequestBatcherDelayTest, ARequestAloneWaitsNoLongerThanTheDelay) {
  RequestBatcher batcher({.queue = {.max_delay = absl::Milliseconds(2)}});
  Answer answer;
  ASSERT_OK(batcher.Add(answer.Job(TinyPm(1, 1), {{5}})));
  EXPECT_OK(answer.Get());
}

TEST_F(RequestBatcherTest, ABadRequestDoesNotFailItsNeighbours) {
  const Sequences good = {{9, 81}};
  Answer a, bad, c;
  ASSERT_OK(batcher_->Add(a.Job(first_pm_, good)));
  ASSERT_OK(batcher_->Add(bad.Job(first_pm_, {{9}, {9999}})));
  ASSERT_OK(batcher_->Add(c.Job(first_pm_, good)));
  Release();
  ExpectScoresOf(*first_pm_, good, a.Get());
  EXPECT_THAT(bad.Get(),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("dialogue 1: token id 9999 is outside")));
  ExpectScoresOf(*first_pm_, good, c.Get());
}

TEST_F(RequestBatcherTest, WhatWaitsWhenItStopsIsAnswered) {
  RequestBatcher* const batcher = &*batcher_;
  std::promise<Scores> answer;
  ASSERT_OK(batcher->Add(
      {.pm = second_pm_, .sequences = {{5}}, .done = [&](Scores scores) {
         // The service asks for it with every answer.
         EXPECT_EQ(batcher->num_waiting(), 0u);
         answer.set_value(std::move(scores));
       }}));
  std::jthread stopping([&] { batcher_.reset(); });
  // Nothing tells that the destructor has begun. If it had not, the request is
  // scored, and this test shows less.
  absl::SleepFor(absl::Milliseconds(20));
  Release();
  const Scores scores = answer.get_future().get();
  if (!scores.ok()) {
    EXPECT_THAT(scores, StatusIs(StatusCode::kUnavailable,
                                 HasSubstr("the reward server is stopping")));
  }
}

}  // namespace
}  // namespace rlhf
