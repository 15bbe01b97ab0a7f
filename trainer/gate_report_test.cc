#include "trainer/gate_report.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

GateVerdict Look(bool promote, const std::string& reason) {
  return {.promote = promote,
          .reason = reason,
          .findings = {{"name", promote, "detail"}}};
}

TEST(AddVerdictTest, WhatAllLooksFoundIsTheReasonOfAPromotion) {
  v1::PmReport report;
  AddVerdict(Look(true, "passed: 7 of 9 right"), report);
  EXPECT_EQ(report.verdict(), "promoted: 7 of 9 right");
  AddVerdict(Look(true, "passed: beside the serving PM"), report);
  EXPECT_EQ(report.verdict(), "promoted: 7 of 9 right; beside the serving PM");
  EXPECT_TRUE(report.promoted());
  EXPECT_EQ(report.checks_size(), 2);
}

TEST(AddVerdictTest, OneRefusalIsTheReasonAlone) {
  v1::PmReport report;
  AddVerdict(Look(true, "passed: 7 of 9 right"), report);
  AddVerdict(Look(false, "refused: rank correlation"), report);
  EXPECT_EQ(report.verdict(), "refused: rank correlation");
  EXPECT_FALSE(report.promoted());
  EXPECT_EQ(report.checks_size(), 2);
}

}  // namespace
}  // namespace rlhf
