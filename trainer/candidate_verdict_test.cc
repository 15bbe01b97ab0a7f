#include "trainer/candidate_verdict.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/json_lines.h"
#include "core/base/mutex.h"
#include "core/base/proto_json.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/reward_client.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/retraction.pb.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/candidate_fixtures.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr int64_t kSeen = 3;  // retractions before the candidate's data
constexpr int64_t kLastSeq = 20;

// Tells what was retracted so far, unless it is away.
class FakeStore final : public v1::Store::Service {
 public:
  void Retract(int64_t seq, int64_t number) {
    MutexLock lock(&mutex_);
    v1::Retraction& one = retractions_.emplace_back();
    one.set_seq(seq);
    one.set_number(number);
  }
  void FailNext() {
    MutexLock lock(&mutex_);
    fails_ = true;
  }

  grpc::Status ListRetractions(
      grpc::ServerContext*, const v1::ListRetractionsRequest*,
      grpc::ServerWriter<v1::Retraction>* writer) override {
    MutexLock lock(&mutex_);
    for (const v1::Retraction& one : retractions_) writer->Write(one);
    const bool fails = std::exchange(fails_, false);
    return fails ? grpc::Status(grpc::StatusCode::UNAVAILABLE, "restarting")
                 : grpc::Status::OK;
  }

 private:
  Mutex mutex_;
  std::vector<v1::Retraction> retractions_ ABSL_GUARDED_BY(mutex_);
  bool fails_ ABSL_GUARDED_BY(mutex_) = false;
};

// A reward server in whose shadow version 2 has scored all it should, as the
// serving PM does.
class FakeAdmin final : public v1::RewardAdmin::Service {
 public:
  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    v1::ShadowStatus& shadow = *response->mutable_shadow();
    shadow.mutable_pm()->set_version(2);
    shadow.set_num_dialogues(16);
    shadow.set_rank_correlation(1);
    shadow.set_agreement(1);
    shadow.set_serving_deviation(1);
    return grpc::Status::OK;
  }
};

// PM version 1 serves; version 2 is published, and good on the held-out
// comparisons.
class CandidateVerdictTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t version : {1, 2}) {
      ASSERT_OK(PublishEmptyPm(registry_, version));
    }
    ASSERT_OK(registry_.Promote(1, std::nullopt, {"gate", "good"}));
    ASSERT_OK_AND_ASSIGN(server_,
                         GrpcServer::Start("127.0.0.1:0", {&admin_, &store_}));
    const std::string address = absl::StrCat("127.0.0.1:", server_->port());
    rewards_ = std::make_unique<RewardClient>(address);
    stub_ = v1::Store::NewStub(MakeChannel(address));
    gate_.set_shadow_seconds(10);
  }

  // What becomes of version 2, as its report tells.
  v1::PmReport Conclude(std::optional<int64_t> compared_with = 1) {
    CandidateTrial trial(
        {.gate = gate_,
         .run_directory = folder_.path(),
         .registry = &registry_,
         .rewards = rewards_.get(),
         .show = [this](const std::string& phase, double share) {
           if (on_show_) on_show_(phase, share);
         }});
    CandidateVerdict verdict(&registry_, &trial, stub_.get());
    v1::PmReport report;
    report.mutable_pm()->set_version(2);
    report.mutable_data()->set_last_seq(kLastSeq);
    report.mutable_data()->set_num_retractions(kSeen);
    report.set_promoted(true);
    report.set_verdict("promoted: 9 of 10");
    EXPECT_OK(verdict.Conclude(compared_with, report));
    return report;
  }

  // The learner's next update, rewarded by the candidate.
  void Update() {
    v1::UpdateReport report;
    report.set_update(++num_updates_);
    report.mutable_pm()->set_version(2);
    ASSERT_OK(AppendLine(folder_ / "metrics.jsonl", ProtoToJsonLine(report)));
  }

  void ExpectRefusedForRetraction(const v1::PmReport& report) {
    EXPECT_FALSE(report.promoted());
    EXPECT_THAT(report.verdict(), StartsWith("refused: "));
    EXPECT_THAT(report.verdict(), HasSubstr("were retracted since"));
    ASSERT_GT(report.checks_size(), 0);
    EXPECT_EQ(report.checks().rbegin()->name(), "retracted data");
    EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(1));
    for (const char* alias : {"shadow", "canary"}) {
      EXPECT_THAT(registry_.Alias(alias), IsOkAndHolds(std::nullopt)) << alias;
    }
  }

  const TempDir folder_;
  const ModelRegistry registry_{folder_ / "registry/pm"};
  FakeAdmin admin_;
  FakeStore store_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<RewardClient> rewards_;
  std::unique_ptr<v1::Store::Stub> stub_;
  v1::GateConfig gate_;
  std::function<void(const std::string&, double)> on_show_;
  int64_t num_updates_ = 0;
};

TEST_F(CandidateVerdictTest, RetractionWhileItIsInTheShadowRefusesIt) {
  gate_.set_shadow_dialogues(16);
  on_show_ = [this](const std::string& phase, double) {
    EXPECT_EQ(phase, "shadow");
    EXPECT_THAT(registry_.Alias("shadow"), IsOkAndHolds(2));
    store_.Retract(kLastSeq, kSeen + 1);
  };
  ExpectRefusedForRetraction(Conclude());
}

TEST_F(CandidateVerdictTest, RetractionWhileItIsCanaryRefusesIt) {
  gate_.set_canary_updates(1);
  bool was_canary = false;
  on_show_ = [&](const std::string&, double) {
    if (std::exchange(was_canary, true)) return;
    EXPECT_THAT(registry_.Alias("canary"), IsOkAndHolds(2));
    store_.Retract(1, kSeen + 1);
    Update();
  };
  ExpectRefusedForRetraction(Conclude());
  EXPECT_TRUE(was_canary);
}

TEST_F(CandidateVerdictTest, RetractionWhileTheRefresherWasAwayRefusesIt) {
  store_.Retract(1, kSeen + 1);
  ExpectRefusedForRetraction(Conclude());
}

TEST_F(CandidateVerdictTest, WhatItWasNotTrainedOnMayBeRetracted) {
  gate_.set_shadow_dialogues(16);
  store_.Retract(1, kSeen);                 // gone when it was read
  store_.Retract(kLastSeq + 1, kSeen + 1);  // came later
  const v1::PmReport report = Conclude();
  EXPECT_TRUE(report.promoted()) << report.verdict();
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(2));
}

TEST_F(CandidateVerdictTest, AStoreThatRestartsIsWaitedFor) {
  store_.FailNext();
  store_.Retract(1, kSeen + 1);
  ExpectRefusedForRetraction(Conclude());
}

TEST_F(CandidateVerdictTest, WhatThePersonMadeServeMeanwhileStays) {
  gate_.set_shadow_dialogues(16);
  ASSERT_OK(PublishEmptyPm(registry_, 3));
  on_show_ = [this](const std::string&, double) {
    EXPECT_OK(registry_.Promote(3, 1, {"ann", "better"}));
  };
  EXPECT_FALSE(Conclude().promoted());
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(3));
}

TEST_F(CandidateVerdictTest, WhatAPersonTookBackIsNotBroughtBack) {
  gate_.set_shadow_dialogues(16);
  on_show_ = [this](const std::string&, double) {
    EXPECT_OK(registry_.Promote(2, 1, {"ann", "cannot wait"}));
    EXPECT_OK(registry_.RollBack({"ann", "it likes lists"}));
  };
  const v1::PmReport report = Conclude();
  EXPECT_FALSE(report.promoted());
  EXPECT_EQ(report.verdict(), "refused: it served already, and was replaced");
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(1));
}

TEST_F(CandidateVerdictTest, WhatAPersonPromotedDuringItsTrialsServes) {
  gate_.set_shadow_dialogues(16);
  on_show_ = [this](const std::string&, double) {
    EXPECT_OK(registry_.Promote(2, 1, {"ann", "cannot wait"}));
  };
  EXPECT_TRUE(Conclude().promoted());
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(2));
  EXPECT_THAT(registry_.Alias("shadow"), IsOkAndHolds(std::nullopt));
}

// While it was trained, or while the refresher was away.
TEST_F(CandidateVerdictTest, ItReplacesNoPmThatItWasNotComparedWith) {
  gate_.set_shadow_dialogues(16);
  on_show_ = [](const std::string& phase, double) {
    ADD_FAILURE() << "a trial that proves nothing: " << phase;
  };
  // A trial that a killed refresher left.
  ASSERT_OK(registry_.SetAlias("shadow", 2, {"gate", "on trial"}));
  ASSERT_OK(PublishEmptyPm(registry_, 3));
  ASSERT_OK(registry_.Promote(3, 1, {"ann", "better"}));
  const v1::PmReport report = Conclude(/*compared_with=*/1);
  EXPECT_FALSE(report.promoted());
  EXPECT_EQ(report.verdict(),
            "refused: version 3 serves, and it was compared with version 1");
  EXPECT_EQ(report.checks().rbegin()->name(), "serving PM");
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(3));
  EXPECT_THAT(registry_.Alias("shadow"), IsOkAndHolds(std::nullopt));
  EXPECT_FALSE(Conclude(/*compared_with=*/std::nullopt).promoted());
}

}  // namespace
}  // namespace rlhf
