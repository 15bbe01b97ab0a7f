#include "trainer/experience/rollout_broker.h"

#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<v1::Prompt> TwoPrompts() {
  std::vector<v1::Prompt> prompts(2);
  prompts[0].set_prompt_id("apple");
  prompts[1].set_prompt_id("pear");
  return prompts;
}

v1::ModelVersion Pm(int64_t version) {
  v1::ModelVersion pm;
  pm.set_version(version);
  pm.set_digest(version == 7 ? "digest7" : "other");
  return pm;
}

// Three slots a batch, leases of ten seconds, update 5 open with PM 7.
class RolloutBrokerTest : public ::testing::Test {
 protected:
  RolloutBrokerTest() { broker_.OpenBatch(5, Pm(7)); }

  std::vector<v1::PromptLease> Lease(int max_leases, int seconds) {
    return broker_.Lease(max_leases, /*policy_version=*/4,
                         absl::UnixEpoch() + absl::Seconds(seconds));
  }

  // A rollout that the broker takes.
  v1::Rollout Good(int64_t slot, int32_t attempt = 1) const {
    v1::Rollout rollout;
    rollout.set_rollout_id(RolloutId(5, slot));
    rollout.set_attempt(attempt);
    // Update 5 begins with rollout 12 of the run.
    *rollout.mutable_prompt() = *schedule_.At(12 + slot).prompt;
    rollout.add_prompt_ids(1);
    rollout.add_response_ids(99);
    rollout.add_response_ids(0);
    rollout.add_behaviour_logprobs(-0.5f);
    rollout.add_behaviour_logprobs(0);
    rollout.set_policy_version(4);
    rollout.set_finish_reason(v1::FINISH_REASON_STOP);
    rollout.set_reward(0.25f);
    *rollout.mutable_pm() = Pm(7);
    return rollout;
  }

  const PromptSchedule schedule_{TwoPrompts(), /*seed=*/1};
  RolloutBroker broker_{{.rollouts_per_update = 3,
                         .lease = absl::Seconds(10),
                         .max_new_tokens = 4,
                         .temperature = 0.5,
                         .seed = 11,
                         .max_staleness = 0,
                         .vocab_size = 100},
                        &schedule_};
};

TEST_F(RolloutBrokerTest, ALeaseSaysAllThatAnActorNeeds) {
  const std::vector<v1::PromptLease> leases = Lease(1, 0);

  ASSERT_THAT(leases, SizeIs(1));
  const v1::PromptLease& lease = leases[0];
  EXPECT_EQ(lease.rollout_id(), "000005/000");
  EXPECT_EQ(lease.attempt(), 1);
  EXPECT_EQ(lease.prompt().prompt_id(), schedule_.At(12).prompt->prompt_id());
  EXPECT_EQ(lease.sample(), 6);  // rollout 12 of 2 prompts: the seventh pass
  EXPECT_EQ(lease.min_policy_version(), 4);
  EXPECT_EQ(lease.pm_version(), 7);
  EXPECT_EQ(lease.max_new_tokens(), 4);
  EXPECT_EQ(lease.temperature(), 0.5f);
  EXPECT_EQ(lease.seed(), 11u);
  EXPECT_EQ(lease.lease_ms(), 10'000);
}

TEST_F(RolloutBrokerTest, ASlotIsLeasedToOneActorAtATime) {
  EXPECT_THAT(Lease(2, 0), SizeIs(2));
  EXPECT_THAT(Lease(8, 1), SizeIs(1));
  EXPECT_THAT(Lease(8, 9), IsEmpty());
  EXPECT_EQ(broker_.num_leased(absl::UnixEpoch() + absl::Seconds(9)), 3);
}

TEST_F(RolloutBrokerTest, AnExpiredLeaseIsGivenOutAgainAsTheNextAttempt) {
  Lease(1, 0);

  const std::vector<v1::PromptLease> again = Lease(1, 10);

  ASSERT_THAT(again, SizeIs(1));
  EXPECT_EQ(again[0].rollout_id(), "000005/000");
  EXPECT_EQ(again[0].attempt(), 2);
}

TEST_F(RolloutBrokerTest, AnActorWithAnotherPolicyGetsNothing) {
  for (const int64_t version : {3, 5}) {
    EXPECT_THAT(broker_.Lease(8, version, absl::UnixEpoch()), IsEmpty());
  }
}

TEST_F(RolloutBrokerTest, AClosedBatchLeasesAndTakesNothing) {
  broker_.CloseBatch(5);

  EXPECT_THAT(Lease(8, 0), IsEmpty());
  EXPECT_EQ(broker_.Check(Good(0)).status(), v1::RolloutAck::SUPERSEDED);
}

TEST_F(RolloutBrokerTest, CheckAloneChangesNothing) {
  EXPECT_EQ(broker_.Check(Good(0)).status(), v1::RolloutAck::ACCEPTED);
  EXPECT_EQ(broker_.Check(Good(0)).status(), v1::RolloutAck::ACCEPTED);
  EXPECT_EQ(broker_.num_accepted(5), 0);
  EXPECT_THAT(Lease(8, 0), SizeIs(3));
}

TEST_F(RolloutBrokerTest, TheBatchIsInSlotOrderWhateverTheOrderOfArrival) {
  for (const int64_t slot : {2, 0, 1}) {
    EXPECT_FALSE(broker_.complete(5));
    broker_.Commit(Good(slot));
  }

  ASSERT_TRUE(broker_.complete(5));
  std::vector<std::string> ids;
  for (const v1::Rollout& rollout : broker_.Batch(5)) {
    ids.push_back(rollout.rollout_id());
  }
  EXPECT_THAT(ids, ElementsAre("000005/000", "000005/001", "000005/002"));
}

TEST_F(RolloutBrokerTest, TheSameRolloutAgainIsADuplicate) {
  broker_.Commit(Good(0));

  EXPECT_EQ(broker_.Check(Good(0)).status(), v1::RolloutAck::DUPLICATE);
  EXPECT_EQ(broker_.Check(Good(0, /*attempt=*/2)).status(),
            v1::RolloutAck::SUPERSEDED);
}

// A restarted learner counts attempts from 1 again, so that an actor of before
// may hold the same one as an actor of now.
TEST_F(RolloutBrokerTest, AnotherSampleOfTheSameAttemptIsNoDuplicate) {
  broker_.Commit(Good(0));
  v1::Rollout other = Good(0);
  other.set_actor_id("another");
  EXPECT_EQ(broker_.Check(other).status(), v1::RolloutAck::SUPERSEDED);
  other = Good(0);
  other.set_response_ids(0, 98);
  EXPECT_EQ(broker_.Check(other).status(), v1::RolloutAck::SUPERSEDED);
  // Scored again, it is what was sent.
  other = Good(0);
  other.set_reward(1);
  *other.mutable_pm() = Pm(8);
  EXPECT_EQ(broker_.Check(other).status(), v1::RolloutAck::DUPLICATE);
}

TEST_F(RolloutBrokerTest, ALateResultCountsUntilThePromptIsLeasedAgain) {
  Lease(1, 0);
  EXPECT_EQ(broker_.Check(Good(0)).status(), v1::RolloutAck::ACCEPTED);

  Lease(1, 11);

  const v1::RolloutAck ack = broker_.Check(Good(0));
  EXPECT_EQ(ack.status(), v1::RolloutAck::SUPERSEDED);
  EXPECT_THAT(ack.message(), HasSubstr("leased again as attempt 2"));
  EXPECT_EQ(broker_.Check(Good(0, 2)).status(), v1::RolloutAck::ACCEPTED);
}

TEST_F(RolloutBrokerTest, AResultFromBeforeACrashIsTaken) {
  // The new broker leased nothing yet; an actor still works on attempt 3.
  EXPECT_EQ(broker_.Check(Good(1, 3)).status(), v1::RolloutAck::ACCEPTED);
  broker_.Commit(Good(1, 3));
  EXPECT_EQ(broker_.num_accepted(5), 1);
}

TEST_F(RolloutBrokerTest, ARolloutOfAnotherBatchIsSuperseded) {
  for (const int64_t update : {4, 6}) {
    v1::Rollout rollout = Good(0);
    rollout.set_rollout_id(RolloutId(update, 0));
    EXPECT_EQ(broker_.Check(rollout).status(), v1::RolloutAck::SUPERSEDED);
  }
}

TEST_F(RolloutBrokerTest, BeforeTheFirstBatchNothingIsTaken) {
  const RolloutBroker fresh({.vocab_size = 100}, &schedule_);

  EXPECT_EQ(fresh.Check(Good(0)).status(), v1::RolloutAck::SUPERSEDED);
}

TEST_F(RolloutBrokerTest, AnotherPolicyVersionIsStale) {
  for (const int64_t version : {-1, 3, 5}) {
    v1::Rollout rollout = Good(0);
    rollout.set_policy_version(version);

    const v1::RolloutAck ack = broker_.Check(rollout);

    EXPECT_EQ(ack.status(), v1::RolloutAck::STALE);
    EXPECT_THAT(ack.message(), HasSubstr("update 5 takes 4 to 4"));
  }
}

TEST_F(RolloutBrokerTest, AnotherPmOpensTheSameBatchAnew) {
  Lease(3, 0);
  broker_.Commit(Good(0));
  broker_.OpenBatch(5, Pm(8));

  EXPECT_EQ(broker_.num_accepted(5), 0);
  EXPECT_THAT(Lease(8, 0), SizeIs(3));
  EXPECT_THAT(broker_.Check(Good(1)).message(),
              HasSubstr("scored by version 7 (digest digest7), this batch has "
                        "version 8 (digest other)"));
}

TEST_F(RolloutBrokerTest, RefusesIdsThatWereNeverLeased) {
  for (const char* id : {"", "x", "000005", "5/0", "000005/003", "000005/-01",
                         "000005/000 ", "99999999999999999999/000"}) {
    v1::Rollout rollout = Good(0);
    rollout.set_rollout_id(id);
    const v1::RolloutAck ack = broker_.Check(rollout);
    EXPECT_EQ(ack.status(), v1::RolloutAck::REFUSED) << id;
    EXPECT_EQ(ack.rollout_id(), id);
    EXPECT_THAT(ack.message(), HasSubstr("rollout_id"));
  }
}

void AddRun(v1::Rollout& rollout, int64_t version, int64_t num_tokens) {
  v1::VersionRun& run = *rollout.add_policy_versions();
  run.set_version(version);
  run.set_num_tokens(num_tokens);
}

// What is wrong with a rollout, and what the refusal must say.
struct Flaw {
  const char* message;
  void (*apply)(v1::Rollout&);
};

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

const Flaw kFlaws[] = {
    {"attempt: leases are counted from 1",
     [](v1::Rollout& r) { r.set_attempt(0); }},
    {"prompt: not the one",
     [](v1::Rollout& r) { r.mutable_prompt()->set_prompt_id("plum"); }},
    {"prompt_ids: empty", [](v1::Rollout& r) { r.clear_prompt_ids(); }},
    {"token id 100 is outside the vocabulary of 100",
     [](v1::Rollout& r) { r.set_prompt_ids(0, 100); }},
    {"token id -1", [](v1::Rollout& r) { r.set_response_ids(1, -1); }},
    {"response_ids: 0 tokens; wanted 1 to 4",
     [](v1::Rollout& r) { r.clear_response_ids(); }},
    {"response_ids: 5 tokens; wanted 1 to 4",
     [](v1::Rollout& r) {
       for (int i = 0; i < 3; ++i) r.add_response_ids(1);
     }},
    {"behaviour_logprobs: 3 for 2 tokens",
     [](v1::Rollout& r) { r.add_behaviour_logprobs(-1); }},
    {"nan is no log-probability",
     [](v1::Rollout& r) { r.set_behaviour_logprobs(0, kNan); }},
    {"-inf is no log-probability",
     [](v1::Rollout& r) { r.set_behaviour_logprobs(0, -kInfinity); }},
    {"0.01 is no log-probability",
     [](v1::Rollout& r) { r.set_behaviour_logprobs(0, 0.01f); }},
    {"reward: missing", [](v1::Rollout& r) { r.clear_reward(); }},
    {"reward: missing or not finite",
     [](v1::Rollout& r) { r.set_reward(kNan); }},
    {"pm: scored by version 6",
     [](v1::Rollout& r) { r.mutable_pm()->set_version(6); }},
    {"pm: scored by version 7 (digest forged)",
     [](v1::Rollout& r) { r.mutable_pm()->set_digest("forged"); }},
    {"pm: scored by version 0", [](v1::Rollout& r) { r.clear_pm(); }},
    {"finish_reason: not given",
     [](v1::Rollout& r) { r.clear_finish_reason(); }},
    {"policy_versions: wanted runs of tokens, versions rising",
     [](v1::Rollout& r) { AddRun(r, 4, 0); }},
    {"policy_versions: wanted runs of tokens, versions rising",
     [](v1::Rollout& r) { AddRun(r, 4, 1), AddRun(r, 4, 1); }},
    {"policy_versions: wanted runs of tokens, versions rising",
     [](v1::Rollout& r) { AddRun(r, 3, 2); }},
    {"policy_versions: the oldest is 5, policy_version says 4",
     [](v1::Rollout& r) { AddRun(r, 5, 2); }},
    {"policy_versions: of 3 tokens; there are 2",
     [](v1::Rollout& r) { AddRun(r, 4, 3); }},
    {"policy_versions: version 5 cannot have sampled for update 5",
     [](v1::Rollout& r) { AddRun(r, 4, 1), AddRun(r, 5, 1); }},
};

TEST_F(RolloutBrokerTest, RefusesWhatCannotBeTrainedOnAndSaysWhy) {
  for (const Flaw& flaw : kFlaws) {
    v1::Rollout rollout = Good(0);
    flaw.apply(rollout);

    const v1::RolloutAck ack = broker_.Check(rollout);

    EXPECT_EQ(ack.status(), v1::RolloutAck::REFUSED) << flaw.message;
    EXPECT_THAT(ack.message(), HasSubstr(flaw.message));
  }
}

TEST_F(RolloutBrokerTest, TokensMayBeOfSeveralVersions) {
  v1::Rollout rollout = Good(0);
  AddRun(rollout, 4, 2);
  EXPECT_EQ(broker_.Check(rollout).status(), v1::RolloutAck::ACCEPTED);
}

TEST_F(RolloutBrokerTest, RoundingMayLiftALogProbabilityAboveZero) {
  v1::Rollout rollout = Good(0);
  rollout.set_behaviour_logprobs(0, 0.0005f);

  EXPECT_EQ(broker_.Check(rollout).status(), v1::RolloutAck::ACCEPTED);
}

// Two versions of staleness: updates 5, 6 and 7 are open while version 4 is the
// newest.
class AheadTest : public RolloutBrokerTest {
 protected:
  AheadTest() {
    // In whatever order they are opened.
    for (const int64_t update : {6, 5, 7}) ahead_.OpenBatch(update, Pm(update));
  }

  std::vector<std::string> LeasedIds(int max_leases, int64_t policy_version) {
    std::vector<std::string> ids;
    for (const v1::PromptLease& lease :
         ahead_.Lease(max_leases, policy_version, absl::UnixEpoch())) {
      ids.push_back(lease.rollout_id());
    }
    return ids;
  }

  // One that update `update` takes, sampled by version 4.
  v1::Rollout GoodFor(int64_t update) const {
    v1::Rollout rollout = Good(0);
    rollout.set_rollout_id(RolloutId(update, 0));
    *rollout.mutable_prompt() = *schedule_.At((update - 1) * 3).prompt;
    *rollout.mutable_pm() = Pm(update);
    return rollout;
  }

  RolloutBroker ahead_{{.rollouts_per_update = 3,
                        .lease = absl::Seconds(10),
                        .max_new_tokens = 4,
                        .max_staleness = 2,
                        .vocab_size = 100},
                       &schedule_};
};

TEST_F(AheadTest, TheOldestBatchAndSlotIsLeasedFirst) {
  EXPECT_THAT(LeasedIds(4, 4), ElementsAre("000005/000", "000005/001",
                                           "000005/002", "000006/000"));
  EXPECT_THAT(LeasedIds(8, 4),
              ElementsAre("000006/001", "000006/002", "000007/000",
                          "000007/001", "000007/002"));
}

TEST_F(AheadTest, AnOlderVersionServesTheOlderBatchesOnly) {
  EXPECT_THAT(LeasedIds(9, 1), IsEmpty());
  EXPECT_THAT(LeasedIds(9, 2), SizeIs(3));
  EXPECT_THAT(LeasedIds(9, 3),
              ElementsAre("000006/000", "000006/001", "000006/002"));
  // One that came out of update 5 has nothing to do with update 5.
  ahead_.OpenBatch(5, Pm(7));
  EXPECT_THAT(LeasedIds(9, 5),
              ElementsAre("000007/000", "000007/001", "000007/002"));
}

TEST_F(AheadTest, EachBatchTakesItsOwnRolloutsUnderItsOwnPm) {
  for (const int64_t update : {5, 6, 7}) {
    EXPECT_EQ(ahead_.Check(GoodFor(update)).status(), v1::RolloutAck::ACCEPTED);
    ahead_.Commit(GoodFor(update));
    EXPECT_EQ(ahead_.num_accepted(update), 1);
    EXPECT_EQ(ahead_.Check(GoodFor(update)).status(),
              v1::RolloutAck::DUPLICATE);
  }
  v1::Rollout rollout = GoodFor(6);
  rollout.set_rollout_id(RolloutId(6, 1));
  *rollout.mutable_prompt() = *schedule_.At(16).prompt;
  *rollout.mutable_pm() = Pm(5);
  EXPECT_THAT(ahead_.Check(rollout).message(),
              HasSubstr("scored by version 5 (digest other), this batch has "
                        "version 6"));
  rollout = GoodFor(7);
  rollout.set_rollout_id(RolloutId(7, 1));
  rollout.set_policy_version(3);
  EXPECT_THAT(ahead_.Check(rollout).message(), HasSubstr("takes 4 to 6"));
}

TEST_F(AheadTest, AClosedBatchIsRememberedUntilAnotherOpens) {
  ahead_.Commit(GoodFor(5));
  ahead_.CloseBatch(5);
  EXPECT_FALSE(ahead_.open(5));
  EXPECT_TRUE(ahead_.open(6));
  EXPECT_EQ(ahead_.Check(GoodFor(5)).status(), v1::RolloutAck::DUPLICATE);
  EXPECT_THAT(LeasedIds(1, 4), ElementsAre("000006/000"));

  ahead_.OpenBatch(8, Pm(8));
  EXPECT_EQ(ahead_.Check(GoodFor(5)).status(), v1::RolloutAck::SUPERSEDED);
}

using RolloutBrokerDeathTest = RolloutBrokerTest;

TEST_F(RolloutBrokerDeathTest, MisuseDies) {
  EXPECT_DEATH(broker_.OpenBatch(0, Pm(7)), "update > 0");
  EXPECT_DEATH(broker_.CloseBatch(4), "4");
  EXPECT_DEATH((void)broker_.num_accepted(6), "no batch of update 6");
  EXPECT_DEATH((void)broker_.Batch(5), "complete");
  broker_.Commit(Good(0));
  EXPECT_DEATH(broker_.Commit(Good(0)), "000005/000");
}

}  // namespace
}  // namespace rlhf
