#include "trainer/order_log.h"

#include "absl/strings/str_replace.h"
#include "core/base/file.h"
#include "core/base/signing_key.h"
#include "core/registry/transition_log.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/order_fixtures.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

v1::OrderRecord Record(int64_t seq) {
  v1::OrderRecord record;
  *record.mutable_order() = SetOrder(seq, "ppo.learning_rate", 1e-5);
  record.set_old_value(0.1);
  return record;
}

class OrderLogTest : public testing::Test {
 protected:
  const TempDir folder_;
  const OrderLog log_{folder_.path()};
};

TEST_F(OrderLogTest, WhatWasTakenIsReadAgain) {
  ASSERT_OK_AND_ASSIGN(const auto none, log_.ReadAll());
  EXPECT_TRUE(none.empty());
  ASSERT_OK(log_.Append(Record(1)));
  ASSERT_OK(log_.Append(Record(2)));
  ASSERT_OK_AND_ASSIGN(const auto records, log_.ReadAll());
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].SerializeAsString(), Record(2).SerializeAsString());
}

TEST_F(OrderLogTest, ARecordThatWasChangedIsNamed) {
  ASSERT_OK(log_.Append(Record(1)));
  const std::string path = OrderLogPath(folder_.path());
  ASSERT_OK_AND_ASSIGN(const std::string text, ReadFile(path));
  ASSERT_OK(WriteFileAtomically(
      path, absl::StrReplaceAll(text, {{"\"ann\"", "\"bob\""}})));
  EXPECT_THAT(log_.ReadAll().status(),
              StatusIs(StatusCode::kDataLoss,
                       HasSubstr("control.jsonl:1: the signature is not")));
}

TEST_F(OrderLogTest, OnlyOrdersSignedWithTheRunsKeyAreOpened) {
  ASSERT_OK_AND_ASSIGN(v1::SignedOrder order, log_.Sign(Record(1).order()));
  ASSERT_OK_AND_ASSIGN(const v1::Order opened, log_.Open(order));
  EXPECT_EQ(opened.value(), 1e-5);

  const TempDir elsewhere;
  const auto denied = StatusIs(StatusCode::kPermissionDenied,
                               HasSubstr("not signed with the run's key"));
  EXPECT_THAT(OrderLog(elsewhere.path()).Open(order).status(), denied);
  v1::SignedOrder changed = order;
  *changed.mutable_order() += "x";
  EXPECT_THAT(log_.Open(changed).status(), denied);
  changed = order;
  changed.clear_signature();
  EXPECT_THAT(log_.Open(changed).status(), denied);
}

TEST_F(OrderLogTest, WhatTheKeySignsElsewhereIsNoOrder) {
  const v1::Order order = Record(1).order();
  v1::SignedOrder forged;
  forged.set_order(order.SerializeAsString());
  ASSERT_OK(MakeDirectories(folder_ / "registry/pm"));
  ASSERT_OK_AND_ASSIGN(
      const SigningKey key,
      SigningKey::LoadOrCreate(KeyPath(folder_ / "registry/pm")));
  forged.set_signature(key.Sign(forged.order()));
  EXPECT_THAT(log_.Open(forged).status(),
              StatusIs(StatusCode::kPermissionDenied,
                       HasSubstr("not signed with the run's key")));
}

TEST_F(OrderLogTest, AnOrderToStopIsSeenInItsLine) {
  v1::OrderRecord stop;
  *stop.mutable_order() = MakeOrder(1, v1::Order::STOP);
  ASSERT_OK(log_.Append(stop));
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(OrderLogPath(folder_.path())));
  EXPECT_TRUE(IsStopOrder(text.substr(0, text.find('\n'))));
  EXPECT_FALSE(IsStopOrder("{\"order\": {\"action\": \"PAUSE\"}}"));
  EXPECT_FALSE(IsStopOrder("{"));
}

}  // namespace
}  // namespace rlhf
