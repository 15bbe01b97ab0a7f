#include "core/config/listen_address.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

v1::RunConfig With(const std::string& listen_host) {
  v1::RunConfig config;
  config.set_listen_host(listen_host);
  return config;
}

std::vector<FieldProblem> ProblemsOf(const v1::RunConfig& config) {
  std::vector<FieldProblem> problems;
  CheckListenHost(config, problems);
  return problems;
}

TEST(ListenAddressTest, IsTheAddressItselfUnlessAHostIsGiven) {
  EXPECT_EQ(ListenAddress({}, "learner.example:7101"), "learner.example:7101");
  EXPECT_EQ(ListenAddress({}, "[fd00::7]:7101"), "[fd00::7]:7101");
}

TEST(ListenAddressTest, TheHostIsReplacedAndThePortStays) {
  EXPECT_EQ(ListenAddress(With("0.0.0.0"), "learner.example:7101"),
            "0.0.0.0:7101");
  EXPECT_EQ(ListenAddress(With("[::]"), "[fd00::7]:0"), "[::]:0");
}

TEST(CheckListenHostTest, LoopbackHostsAndNoneAreTaken) {
  for (const char* host : {"", "127.0.0.1", "localhost", "[::1]"}) {
    EXPECT_THAT(ProblemsOf(With(host)), IsEmpty()) << host;
  }
}

TEST(CheckListenHostTest, APortIsRefused) {
  for (const char* host : {"127.0.0.1:7101", "::1", "fd00::7"}) {
    EXPECT_THAT(ProblemsOf(With(host)),
                ElementsAre(AllOf(Field(&FieldProblem::path, "listen_host"),
                                  Field(&FieldProblem::message,
                                        AllOf(HasSubstr(host),
                                              HasSubstr("without a port"))))));
  }
}

TEST(CheckListenHostTest, WhatLeavesThisMachineNeedsTls) {
  EXPECT_THAT(
      ProblemsOf(With("0.0.0.0")),
      ElementsAre(Field(&FieldProblem::message,
                        AllOf(HasSubstr("0.0.0.0"), HasSubstr("TLS")))));
}

}  // namespace
}  // namespace rlhf
