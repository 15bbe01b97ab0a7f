#include "trainer/order_desk.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/config/run_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/order_fixtures.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kKl[] = "ppo.kl_coefficient";
constexpr char kRate[] = "ppo.learning_rate";

class OrderDeskTest : public testing::Test {
 protected:
  OrderDeskTest() : config_(MakeRunConfig(folder_.path())) {
    EXPECT_OK(MakeDirectories(RunDirectory(config_) + "/rollouts"));
    Start(0);
  }

  // As a learner that goes on after `update`; what was there before is gone.
  void Start(int64_t update) {
    auto desk = OrderDesk::Open(config_, &clock_);
    ASSERT_OK(desk);
    desk_ = *std::move(desk);
    desk_->Reached(update, 0.001);
  }

  v1::SignedOrder Signed(const v1::Order& order) const {
    auto result = OrderLog(RunDirectory(config_)).Sign(order);
    EXPECT_OK(result);
    return *std::move(result);
  }
  absl::StatusOr<v1::OrderRecord> Take(const v1::Order& order) {
    return desk_->Take(Signed(order));
  }

  // The batch of `update` is opened, as its journal tells.
  v1::LiveSettings OpenBatch(int64_t update) {
    EXPECT_OK(WriteFileAtomically(
        absl::StrCat(RunDirectory(config_), "/rollouts/00000", update, ".pb"),
        ""));
    return desk_->ForBatch(update);
  }

  v1::UpdateReport Report(int64_t update, double kl) const {
    v1::UpdateReport report;
    report.set_update(update);
    report.set_kl_k1_nats_per_token(kl);
    return report;
  }

  const TempDir folder_;
  const RealClock clock_;
  const v1::RunConfig config_;
  std::unique_ptr<OrderDesk> desk_;
};

TEST_F(OrderDeskTest, AnOrderIsInForceAfterARestart) {
  EXPECT_EQ(OpenBatch(1).last_order(), 0);
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord record,
                       Take(SetOrder(1, kRate, 1e-4)));
  EXPECT_EQ(record.from_update(), 2);
  ASSERT_OK(Take(MakeOrder(2, v1::Order::PAUSE)));
  // Killed before any of it had an effect.
  Start(0);
  EXPECT_EQ(desk_->Pause(), "paused by ann: to see");
  EXPECT_EQ(desk_->ForBatch(1).last_order(), 0) << "it was open before";
  EXPECT_EQ(desk_->ForBatch(2).learning_rate(), 1e-4);
  EXPECT_EQ(desk_->ForBatch(3).learning_rate(), 1e-4);
}

TEST_F(OrderDeskTest, WhatABatchWasOpenedWithStaysAfterARestart) {
  OpenBatch(1);
  Start(0);
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord record,
                       Take(SetOrder(1, kKl, 0.02)));
  EXPECT_EQ(record.from_update(), 2);
}

TEST_F(OrderDeskTest, TheSameOrderAgainIsTakenOnce) {
  const v1::SignedOrder order = Signed(SetOrder(1, kKl, 0.02));
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord first, desk_->Take(order));
  // Its answer was lost with the learner.
  Start(0);
  ASSERT_OK_AND_ASSIGN(const v1::OrderRecord second, desk_->Take(order));
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  ASSERT_OK_AND_ASSIGN(const auto all,
                       OrderLog(RunDirectory(config_)).ReadAll());
  EXPECT_EQ(all.size(), 1u);
  // An old one does not come back either.
  ASSERT_OK(Take(SetOrder(2, kKl, 0.03)));
  ASSERT_OK(desk_->Take(order));
  EXPECT_EQ(desk_->ForBatch(1).kl_coefficient(), 0.03);
}

TEST_F(OrderDeskTest, OfManyControllersAtOnceOneIsHeard) {
  std::vector<v1::SignedOrder> orders;
  for (int i = 0; i < 4; ++i) {
    orders.push_back(Signed(SetOrder(1, kKl, 0.1 * (i + 1))));
  }
  std::atomic<int> num_taken = 0, num_aborted = 0;
  {
    std::vector<std::jthread> controllers;
    for (const v1::SignedOrder& order : orders) {
      controllers.emplace_back([&] {
        const auto record = desk_->Take(order);
        num_taken += record.ok();
        num_aborted += absl::IsAborted(record.status());
      });
    }
  }
  EXPECT_EQ(num_taken, 1);
  EXPECT_EQ(num_aborted, 3);
}

TEST_F(OrderDeskTest, WhoCannotReadTheKeyIsRefused) {
  const TempDir elsewhere;
  ASSERT_OK_AND_ASSIGN(const v1::SignedOrder order,
                       OrderLog(elsewhere.path()).Sign(SetOrder(1, kKl, 0.02)));
  EXPECT_THAT(desk_->Take(order).status(),
              StatusIs(StatusCode::kPermissionDenied,
                       HasSubstr("registry/pm/key.pem")));
  v1::Order posing = SetOrder(1, kKl, 0.02);
  posing.set_by("rlhf");
  EXPECT_THAT(Take(posing).status(),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("is the learner itself")));
}

TEST_F(OrderDeskTest, ALearnerThatOnlyStartsTakesNone) {
  ASSERT_OK_AND_ASSIGN(const auto starting, OrderDesk::Open(config_, &clock_));
  EXPECT_THAT(starting->Take(Signed(SetOrder(1, kKl, 0.02))).status(),
              StatusIs(StatusCode::kUnavailable, HasSubstr("only starting")));
}

TEST_F(OrderDeskTest, ARuleTakesItsOrderBackOnceAlsoAfterARestart) {
  ASSERT_OK(Take(SetOrder(1, kRate, 1e-4, "kl_k1_nats_per_token > 0.5")));
  OpenBatch(1);
  ASSERT_OK(desk_->Judge(Report(1, 0.4)));
  OpenBatch(2);
  // Killed after the update was recorded and before it was judged.
  Start(2);
  ASSERT_OK(desk_->Judge(Report(1, 0.4)));
  ASSERT_OK(desk_->Judge(Report(2, 0.6)));
  ASSERT_OK(desk_->Judge(Report(2, 0.6)));
  ASSERT_OK_AND_ASSIGN(const auto all,
                       OrderLog(RunDirectory(config_)).ReadAll());
  ASSERT_EQ(all.size(), 2u);
  EXPECT_EQ(all[1].order().by(), "rlhf");
  EXPECT_EQ(all[1].order().reverts(), 1);
  EXPECT_EQ(all[1].from_update(), 3);
  EXPECT_EQ(desk_->ForBatch(3).learning_rate(), 1e-6);
}

TEST_F(OrderDeskTest, ACheckpointIsWantedUntilOneIsThere) {
  EXPECT_FALSE(desk_->WantsCheckpoint(-1));
  desk_->Reached(3, 0.001);
  ASSERT_OK(Take(MakeOrder(1, v1::Order::CHECKPOINT)));
  EXPECT_TRUE(desk_->WantsCheckpoint(2));
  EXPECT_FALSE(desk_->WantsCheckpoint(3));
}

TEST_F(OrderDeskTest, ACheckpointThatACrashTookIsWantedOfItsUpdateAgain) {
  desk_->Reached(3, 0.001);
  ASSERT_OK(Take(MakeOrder(1, v1::Order::CHECKPOINT)));
  // Killed before it was written.
  Start(2);
  EXPECT_FALSE(desk_->WantsCheckpoint(2)) << "that of update 2 is there";
  EXPECT_FALSE(desk_->WantsCheckpoint(-1));
  desk_->Reached(3, 0.001);
  EXPECT_TRUE(desk_->WantsCheckpoint(2));
  EXPECT_FALSE(desk_->WantsCheckpoint(3));
}

TEST_F(OrderDeskTest, AStopEndsTheProcessThatTookItAndNoLaterOne) {
  EXPECT_FALSE(desk_->WantsStop());
  ASSERT_OK(Take(MakeOrder(1, v1::Order::STOP)));
  EXPECT_TRUE(desk_->WantsStop());
  Start(0);
  EXPECT_FALSE(desk_->WantsStop());
}

TEST_F(OrderDeskTest, ALogThatIsBehindTheCheckpointIsFound) {
  ASSERT_OK(Take(SetOrder(1, kKl, 0.02)));
  v1::LiveSettings settings;
  settings.set_last_order(1);
  EXPECT_OK(desk_->CheckComplete(settings));
  settings.set_last_order(2);
  EXPECT_THAT(desk_->CheckComplete(settings),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("control.jsonl has 1 orders, but the "
                                 "checkpoint follows order 2")));
}

TEST_F(OrderDeskTest, ARuleThatIsBrokenOnceNoBatchIsLeftOrdersNothing) {
  ASSERT_OK(Take(SetOrder(1, kRate, 1e-4, "kl_k1_nats_per_token > 0.5")));
  const int64_t last = config_.ppo().num_updates();
  (void)desk_->ForBatch(last);
  EXPECT_OK(desk_->Judge(Report(last, 0.6))) << "the run comes to its end";
  ASSERT_OK_AND_ASSIGN(const auto all,
                       OrderLog(RunDirectory(config_)).ReadAll());
  EXPECT_EQ(all.size(), 1u);
}

}  // namespace
}  // namespace rlhf
