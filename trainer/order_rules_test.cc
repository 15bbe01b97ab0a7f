#include "trainer/order_rules.h"

#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "trainer/order_fixtures.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kKl[] = "ppo.kl_coefficient";
constexpr char kRate[] = "ppo.learning_rate";

class OrderRulesTest : public testing::Test {
 protected:
  OrderRulesTest() {
    config_.mutable_ppo()->set_kl_coefficient(0.01);
    moment_.kl_coefficient = 0.01;
  }

  absl::StatusOr<v1::OrderRecord> Give(const v1::Order& order) {
    absl::StatusOr<v1::OrderRecord> record =
        AdmitOrder(config_, taken_, order, moment_);
    if (record.ok()) taken_.push_back(*record);
    return record;
  }

  int64_t Next() const { return static_cast<int64_t>(taken_.size()) + 1; }

  // The run has made `update` and opened the batch of the next.
  void Reach(int64_t update) {
    moment_.update = update;
    moment_.next_batch = update + 2;
  }

  v1::UpdateReport Report(int64_t update, double kl) const {
    v1::UpdateReport report;
    report.set_update(update);
    report.set_kl_k1_nats_per_token(kl);
    return report;
  }

  v1::RunConfig config_ = MakeRunConfig();
  OrderMoment moment_;
  std::vector<v1::OrderRecord> taken_;
};

TEST_F(OrderRulesTest, AChangeThatNoBatchWouldSeeIsRefused) {
  config_.mutable_ppo()->set_num_updates(7);
  Reach(6);
  EXPECT_THAT(Give(SetOrder(1, kKl, 0.02)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("ppo.kl_coefficient can no more be changed")));
  Reach(5);
  EXPECT_OK(Give(SetOrder(1, kKl, 0.02)));
}

TEST_F(OrderRulesTest, AChangeHoldsFromTheNextBatchThatOpens) {
  Reach(4);
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord record,
                       Give(SetOrder(1, kKl, 0.02)));
  EXPECT_EQ(record.given_at_update(), 4);
  EXPECT_EQ(record.from_update(), 6);
  EXPECT_EQ(record.old_value(), 0.01);
  EXPECT_EQ(record.new_value(), 0.02);
  EXPECT_FALSE(SettingsAt(taken_, 5).has_kl_coefficient());
  EXPECT_EQ(SettingsAt(taken_, 6).kl_coefficient(), 0.02);
  EXPECT_EQ(SettingsAt(taken_, 6).kl_order(), 1);
  EXPECT_EQ(SettingsAt(taken_, 100).kl_order(), 1);
}

TEST_F(OrderRulesTest, TheOldKlIsWhatControllersMadeOfIt) {
  ASSERT_OK(Give(SetOrder(1, kKl, 0.02)));
  // Not followed yet: then it is what was ordered.
  ASSERT_OK_AND_ASSIGN(v1::OrderRecord record, Give(SetOrder(2, kKl, 0.03)));
  EXPECT_EQ(record.old_value(), 0.02);
  Reach(9);
  moment_.kl_coefficient = 0.05;
  ASSERT_OK_AND_ASSIGN(record, Give(SetOrder(3, kKl, 0.04)));
  EXPECT_EQ(record.old_value(), 0.05);
}

TEST_F(OrderRulesTest, ARevertGivesTheOldValueBack) {
  ASSERT_OK(Give(SetOrder(1, kRate, 1e-5)));
  ASSERT_OK(Give(SetOrder(2, kRate, 1e-4)));
  EXPECT_THAT(Give(RevertOrder(3, 1)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("order 2 by ann changed ppo.learning_rate "
                                 "after order 1 by ann")));
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord record, Give(RevertOrder(3, 2)));
  EXPECT_EQ(record.field(), kRate);
  EXPECT_EQ(record.old_value(), 1e-4);
  EXPECT_EQ(record.new_value(), 1e-5);
  EXPECT_THAT(Give(RevertOrder(4, 2)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("taken back already")));
  ASSERT_OK(Give(RevertOrder(4, 1)));
  EXPECT_EQ(SettingsAt(taken_, 5).learning_rate(), 1e-6) << "the run file's";
}

TEST_F(OrderRulesTest, OnlyChangesCanBeTakenBack) {
  ASSERT_OK(Give(MakeOrder(1, v1::Order::CHECKPOINT)));
  EXPECT_THAT(Give(RevertOrder(2, 1)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("has set nothing that could be reset")));
  for (const int64_t seq : {-1, 0, 2, 99}) {
    EXPECT_THAT(Give(RevertOrder(2, seq)),
                StatusIs(StatusCode::kFailedPrecondition,
                         HasSubstr("there is no order")));
  }
}

TEST_F(OrderRulesTest, WhoHasNotSeenTheNewestOrderIsRefused) {
  ASSERT_OK(Give(SetOrder(1, kKl, 0.02)));
  EXPECT_THAT(Give(SetOrder(1, kKl, 0.03)),
              StatusIs(StatusCode::kAborted,
                       HasSubstr("wanted order 2, got 1; order 1 by ann came "
                                 "meanwhile: look at it and order again")));
  EXPECT_THAT(Give(SetOrder(3, kKl, 0.03)),
              StatusIs(StatusCode::kAborted, HasSubstr("wanted order 2")));
}

TEST_F(OrderRulesTest, AnOrderNeedsANameAndAReason) {
  v1::Order nameless = MakeOrder(1, v1::Order::PAUSE);
  nameless.clear_by();
  EXPECT_THAT(Give(nameless), StatusIs(StatusCode::kInvalidArgument,
                                       HasSubstr("a name and a reason")));
  v1::Order talkative = MakeOrder(1, v1::Order::PAUSE);
  talkative.set_reason(std::string(1001, 'x'));
  EXPECT_THAT(Give(talkative), StatusIs(StatusCode::kInvalidArgument,
                                        HasSubstr("a reason 1000")));
  EXPECT_THAT(Give(MakeOrder(1, v1::Order::ACTION_UNSPECIFIED)),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no such")));
}

TEST_F(OrderRulesTest, APauseLastsUntilResume) {
  EXPECT_THAT(Give(MakeOrder(1, v1::Order::RESUME)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("no order has paused the run")));
  ASSERT_OK(Give(MakeOrder(1, v1::Order::PAUSE)));
  EXPECT_NE(PauseOf(taken_), nullptr);
  EXPECT_THAT(Give(MakeOrder(2, v1::Order::PAUSE)),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("paused already, by order 1 by ann")));
  ASSERT_OK(Give(MakeOrder(2, v1::Order::RESUME)));
  EXPECT_EQ(PauseOf(taken_), nullptr);
}

TEST_F(OrderRulesTest, TheNewestOrderedCheckpointCounts) {
  EXPECT_EQ(OrderedCheckpoint(taken_, 0), -1);
  ASSERT_OK(Give(MakeOrder(1, v1::Order::CHECKPOINT)));
  EXPECT_EQ(OrderedCheckpoint(taken_, 0), 0);
  Reach(7);
  ASSERT_OK(Give(MakeOrder(2, v1::Order::CHECKPOINT)));
  EXPECT_EQ(OrderedCheckpoint(taken_, 7), 7);
  EXPECT_EQ(OrderedCheckpoint(taken_, 9), 7);
}

TEST_F(OrderRulesTest, ACheckpointOfAnUpdateThatACrashTookWaitsForIt) {
  Reach(7);
  ASSERT_OK(Give(MakeOrder(1, v1::Order::CHECKPOINT)));
  // Killed before it was written; the run goes on from an older one.
  Reach(4);
  EXPECT_EQ(OrderedCheckpoint(taken_, 4), -1);
  ASSERT_OK(Give(MakeOrder(2, v1::Order::CHECKPOINT)));
  EXPECT_EQ(OrderedCheckpoint(taken_, 4), 4);
  EXPECT_EQ(OrderedCheckpoint(taken_, 7), 7);
}

TEST_F(OrderRulesTest, ARuleSpeaksOnceAndOnlyOfUpdatesMadeWithItsOrder) {
  Reach(4);
  ASSERT_OK(Give(SetOrder(1, kRate, 1e-5, "kl_k1_nats_per_token > 0.5")));
  EXPECT_FALSE(DueRevert(taken_, Report(5, 9)).has_value());
  EXPECT_FALSE(DueRevert(taken_, Report(6, 0.5)).has_value());
  std::optional<v1::Order> revert = DueRevert(taken_, Report(6, 0.75));
  ASSERT_TRUE(revert.has_value());
  EXPECT_EQ(revert->reverts(), 1);
  EXPECT_EQ(revert->by(), "rlhf");
  EXPECT_EQ(revert->reason(),
            "kl_k1_nats_per_token of update 6 is 0.75, above 0.5");
  revert->set_seq(2);
  ASSERT_OK(Give(*revert));
  EXPECT_FALSE(DueRevert(taken_, Report(6, 0.75)).has_value());
  EXPECT_FALSE(DueRevert(taken_, Report(7, 9)).has_value());
}

TEST_F(OrderRulesTest, ARuleEndsWhenTheFieldIsSetAgain) {
  ASSERT_OK(Give(SetOrder(1, kRate, 1e-5, "kl_k1_nats_per_token > 0.5")));
  ASSERT_OK(Give(SetOrder(2, kRate, 1e-4)));
  EXPECT_FALSE(DueRevert(taken_, Report(9, 9)).has_value());
  // And does not come back: what update 9 was like came of order 2.
  ASSERT_OK(Give(RevertOrder(3, 2)));
  EXPECT_FALSE(DueRevert(taken_, Report(9, 9)).has_value());
}

TEST_F(OrderRulesTest, ABadRuleIsRefusedBeforeAnythingChanges) {
  EXPECT_THAT(Give(SetOrder(1, kKl, 0.02, "kl > 1")),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("unknown field \"kl\"")));
  EXPECT_THAT(Give(SetOrder(1, kKl, 11)),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("ppo.kl_coefficient is 11")));
  EXPECT_TRUE(taken_.empty());
}

TEST_F(OrderRulesTest, AfterACrashNoOrderOvertakesAnOlderOne) {
  moment_.next_batch = 6;
  ASSERT_OK(Give(SetOrder(1, kKl, 0.02)));
  // The journal of update 5 was not there yet when the learner was killed.
  moment_.next_batch = 5;
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord record,
                       Give(SetOrder(2, kKl, 0.03)));
  EXPECT_EQ(record.from_update(), 6);
}

}  // namespace
}  // namespace rlhf
