#include <future>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/mutex.h"
#include "core/base/proto_json.h"
#include "core/base/shutdown.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/report.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/candidate_fixtures.h"
#include "trainer/candidate_trial.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::SizeIs;
using Verdicts = absl::StatusOr<std::vector<GateVerdict>>;

// What a reward server says of its slots.
class FakeAdmin final : public v1::RewardAdmin::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    MutexLock lock(&mutex_);
    *response = status_;
    return grpc::Status::OK;
  }
  void BreakCanary(int64_t version, const std::string& error) {
    MutexLock lock(&mutex_);
    status_.mutable_canary()->set_version(version);
    status_.set_canary_error(error);
  }

 private:
  Mutex mutex_;
  v1::RewardStatus status_ ABSL_GUARDED_BY(mutex_);
};

// Version 1 serves, version 2 has to be canary of two updates.
class CanaryTrialTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const int version : {1, 2}) {
      ASSERT_OK(PublishEmptyPm(registry_, version));
    }
    ASSERT_OK(registry_.Promote(1, std::nullopt, {"gate", "the first"}));
    ASSERT_OK_AND_ASSIGN(server_, GrpcServer::Start("127.0.0.1:0", {&admin_}));
    rewards_.emplace(absl::StrCat("127.0.0.1:", server_->port()));
  }

  // A trial that a failed test left would go on for ever.
  void TearDown() override {
    if (run_.valid()) RequestShutdown();
  }

  std::future<Verdicts>& Run() {
    v1::GateConfig gate;
    gate.set_canary_updates(2);
    gate.set_canary_share(1);
    run_ = std::async(std::launch::async, [this, gate] {
      return CandidateTrial({.gate = gate,
                             .run_directory = folder_.path(),
                             .registry = &registry_,
                             .rewards = &*rewards_,
                             .show = [](const std::string&, double) {}})
          .Run(2);
    });
    return run_;
  }

  // False if it is not the canary within some seconds.
  bool WaitForCanary() {
    const absl::Time end = absl::Now() + absl::Seconds(20);
    while (absl::Now() < end) {
      const auto canary = registry_.Alias("canary");
      if (canary.ok() && *canary == 2) return true;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return false;
  }

  void Tell(int64_t update, int64_t pm_version) {
    v1::UpdateReport report;
    report.set_update(update);
    report.mutable_pm()->set_version(pm_version);
    ASSERT_OK(AppendLine(folder_ / "metrics.jsonl", ProtoToJsonLine(report)));
  }

  const TempDir folder_;
  const ModelRegistry registry_{folder_ / "registry"};
  FakeAdmin admin_;
  std::unique_ptr<GrpcServer> server_;
  std::optional<RewardClient> rewards_;
  std::future<Verdicts> run_;  // the last one: it uses the others
};

// The batch that it should reward would never be complete, and no update come.
TEST_F(CanaryTrialTest, ACanaryThatCannotScoreIsRefused) {
  std::future<Verdicts>& run = Run();
  ASSERT_TRUE(WaitForCanary());
  admin_.BreakCanary(2, "a dialogue of 90 tokens");
  ASSERT_OK_AND_ASSIGN(const auto verdicts, run.get());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].promote);
  EXPECT_THAT(verdicts[0].reason,
              HasSubstr("could not score a live dialogue: a dialogue of 90"));
  EXPECT_THAT(registry_.Alias("canary"), IsOkAndHolds(std::nullopt));
}

TEST_F(CanaryTrialTest, WhatAnotherCanaryCouldNotScoreIsNotItsFault) {
  admin_.BreakCanary(7, "a dialogue of 90 tokens");
  std::future<Verdicts>& run = Run();
  ASSERT_TRUE(WaitForCanary());
  Tell(1, 2);
  Tell(2, 2);
  ASSERT_OK_AND_ASSIGN(const auto verdicts, run.get());
  EXPECT_TRUE(verdicts[0].promote);
}

TEST_F(CanaryTrialTest, AnUpdateThatIsMadeAgainCountsAsItWasMadeLast) {
  Tell(1, 1);
  Tell(2, 2);  // and then the learner was killed
  std::future<Verdicts>& run = Run();
  ASSERT_TRUE(WaitForCanary());
  Tell(2, 1);
  Tell(3, 2);
  Tell(4, 2);
  ASSERT_OK_AND_ASSIGN(const auto verdicts, run.get());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_TRUE(verdicts[0].promote);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("rewarded 2 updates on trial"));
}

// Moved away to train on from an older checkpoint.
TEST_F(CanaryTrialTest, AFileThatBeginsAgainIsReadFromItsBeginning) {
  for (int update = 1; update <= 4; ++update) Tell(update, 1);
  std::future<Verdicts>& run = Run();
  ASSERT_TRUE(WaitForCanary());
  ASSERT_OK(WriteFileAtomically(folder_ / "metrics.jsonl", ""));
  Tell(1, 1);
  Tell(2, 2);
  Tell(3, 2);
  ASSERT_OK_AND_ASSIGN(const auto verdicts, run.get());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_TRUE(verdicts[0].promote);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("rewarded 2 updates on trial"));
}

TEST_F(CanaryTrialTest, ALineThatIsNoReportIsNamed) {
  Tell(1, 1);
  ASSERT_OK(AppendLine(folder_ / "metrics.jsonl", "{"));
  EXPECT_THAT(Run().get(), StatusIs(absl::StatusCode::kDataLoss,
                                    HasSubstr("metrics.jsonl:2: ")));
}

}  // namespace
}  // namespace rlhf
