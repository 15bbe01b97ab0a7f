#include "trainer/candidate_trial.h"

#include <functional>
#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/mutex.h"
#include "core/base/proto_json.h"
#include "core/rpc/grpc_server.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/reward.grpc.pb.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "trainer/candidate_fixtures.h"

namespace rlhf {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// A reward server that says of its shadow what it is told to.
class FakeAdmin final : public v1::RewardAdmin::Service {
 public:
  void Say(std::function<v1::ShadowStatus()> say) {
    MutexLock lock(&mutex_);
    say_ = std::move(say);
  }

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest*,
                         v1::RewardStatus* response) override {
    MutexLock lock(&mutex_);
    if (say_) *response->mutable_shadow() = say_();
    return grpc::Status::OK;
  }

 private:
  Mutex mutex_;
  std::function<v1::ShadowStatus()> say_ ABSL_GUARDED_BY(mutex_);
};

// PM version 1 serves, version 2 is the candidate.
class CandidateTrialTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const int64_t version : {1, 2}) {
      ASSERT_OK(PublishEmptyPm(registry_, version));
    }
    ASSERT_OK(registry_.Promote(1, std::nullopt, {"gate", "good"}));
    ASSERT_OK_AND_ASSIGN(server_, GrpcServer::Start("127.0.0.1:0", {&admin_}));
    client_ = std::make_unique<RewardClient>(
        absl::StrCat("127.0.0.1:", server_->port()));
    gate_.set_shadow_seconds(10);
  }

  absl::StatusOr<std::vector<GateVerdict>> Run() {
    CandidateTrial trial(
        {.gate = gate_,
         .run_directory = folder_.path(),
         .registry = &registry_,
         .rewards = client_.get(),
         .show = [this](const std::string& phase, double share) {
           phases_.push_back(phase);
           if (on_show_) on_show_(phase, share);
         }});
    return trial.Run(2);
  }

  v1::ShadowStatus Scored(int64_t version, int64_t num_dialogues,
                          double correlation) const {
    v1::ShadowStatus status;
    status.mutable_pm()->set_version(version);
    status.set_num_dialogues(num_dialogues);
    status.set_rank_correlation(correlation);
    status.set_agreement(0.8);
    status.set_serving_deviation(1);
    return status;
  }

  // The learner's next update, rewarded by PM `version`.
  void Update(int64_t version, const std::string& left_out = "") {
    v1::UpdateReport report;
    report.set_update(++num_updates_);
    report.mutable_pm()->set_version(version);
    report.set_left_out(left_out);
    ASSERT_OK(AppendLine(folder_ / "metrics.jsonl", ProtoToJsonLine(report)));
  }

  bool IsNobody(const std::string& alias) {
    const auto version = registry_.Alias(alias);
    return version.ok() && !version->has_value();
  }

  const TempDir folder_;
  const ModelRegistry registry_{folder_ / "registry/pm"};
  FakeAdmin admin_;
  std::unique_ptr<GrpcServer> server_;
  std::unique_ptr<RewardClient> client_;
  v1::GateConfig gate_;
  std::function<void(const std::string&, double)> on_show_;
  std::vector<std::string> phases_;
  int64_t num_updates_ = 0;
};

TEST_F(CandidateTrialTest, WithoutTrialsNothingIsLookedAt) {
  ASSERT_OK(registry_.SetAlias("shadow", 2, {"gate", "a killed process"}));
  EXPECT_THAT(*Run(), IsEmpty());
  EXPECT_TRUE(IsNobody("shadow")) << "what an earlier process left ends";
}

TEST_F(CandidateTrialTest, StandsInTheShadowUntilItHasScoredEnough) {
  gate_.set_shadow_dialogues(16);
  gate_.set_min_rank_correlation(0.5);
  bool was_shadow = false;
  int asked = 0;
  admin_.Say([&] {
    const auto alias = registry_.Alias("shadow");
    was_shadow = alias.ok() && *alias == 2;
    return Scored(2, ++asked == 1 ? 4 : 16, 0.9);
  });
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_TRUE(verdicts[0].promote) << verdicts[0].reason;
  EXPECT_THAT(verdicts[0].reason, HasSubstr("16"));
  EXPECT_TRUE(was_shadow);
  EXPECT_TRUE(IsNobody("shadow"));
  EXPECT_THAT(phases_, Contains("shadow"));
  EXPECT_THAT(registry_.Alias("serving"), IsOkAndHolds(1))
      << "promotion is another's part";
}

TEST_F(CandidateTrialTest, WhoScoredNothingInTimeIsRefused) {
  gate_.set_shadow_dialogues(16);
  gate_.set_shadow_seconds(0.3);
  // What the server tells of another version says nothing of this one.
  admin_.Say([this] { return Scored(1, 64, 1); });
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].promote);
  EXPECT_TRUE(IsNobody("shadow"));
}

TEST_F(CandidateTrialTest, RefusedInTheShadowItNeverBecomesCanary) {
  gate_.set_shadow_dialogues(16);
  gate_.set_min_rank_correlation(0.5);
  gate_.set_canary_updates(2);
  admin_.Say([this] { return Scored(2, 16, -0.5); });
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].promote);
  EXPECT_THAT(verdicts[0].reason, HasSubstr("rank correlation"));
  EXPECT_TRUE(IsNobody("shadow"));
  EXPECT_TRUE(IsNobody("canary"));
}

TEST_F(CandidateTrialTest, RewardsSomeUpdatesAsCanaryAndStaysItUntilPromoted) {
  gate_.set_canary_updates(2);
  Update(1);
  on_show_ = [this](const std::string&, double share) {
    EXPECT_THAT(registry_.Alias("canary"), IsOkAndHolds(2));
    if (share < 1) Update(num_updates_ % 2 == 0 ? 1 : 2);
  };
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_TRUE(verdicts[0].promote) << verdicts[0].reason;
  EXPECT_THAT(registry_.Alias("canary"), IsOkAndHolds(2));
  EXPECT_GE(num_updates_, 4) << "those that the serving PM rewarded are none";
}

TEST_F(CandidateTrialTest, AnUpdateThatWasLeftOutRefusesIt) {
  gate_.set_canary_updates(3);
  on_show_ = [this](const std::string&, double) {
    Update(2, "the KL is 300 nats");
  };
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].promote);
  EXPECT_TRUE(IsNobody("canary"));
}

// One update of four should be the canary's: 40 without any are ten times as
// many as it takes.
TEST_F(CandidateTrialTest, ALearnerThatPassesByEndsTheTrial) {
  gate_.set_canary_updates(1);
  gate_.set_canary_share(0.25);
  on_show_ = [this](const std::string&, double) {
    for (int i = 0; i < 40; ++i) Update(1);
  };
  ASSERT_OK_AND_ASSIGN(const auto verdicts, Run());
  ASSERT_THAT(verdicts, SizeIs(1));
  EXPECT_FALSE(verdicts[0].promote);
  EXPECT_TRUE(IsNobody("canary"));
}

}  // namespace
}  // namespace rlhf
