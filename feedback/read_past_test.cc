#include "feedback/read_past.h"

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "feedback/feedback_metrics.h"
#include "feedback/test_comparisons.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

// Of version 4 beside one of version 2, judged on the page.
v1::Comparison Judged(const std::string& id) {
  v1::Comparison comparison = MakeComparison(id);
  comparison.set_source("page");
  comparison.set_policy_version_a(4);
  comparison.set_policy_version_b(2);
  return comparison;
}

std::optional<PastResponse> Past(const v1::Comparison& comparison) {
  return PastResponseOf(comparison, {"0123456789abcdef"});
}

TEST(PastResponseOfTest, IsTheResponseOfTheNewerVersion) {
  v1::Comparison comparison = Judged("c");
  const auto of_a = Past(comparison);
  ASSERT_TRUE(of_a.has_value());
  EXPECT_EQ(of_a->prompt.messages(0).content(), "Hello?");
  EXPECT_EQ(of_a->response.text, "yes");
  EXPECT_EQ(of_a->response.policy_version, 4);
  comparison.set_policy_version_b(4);
  EXPECT_EQ(Past(comparison)->response.text, "no");
}

TEST(PastResponseOfTest, DialoguesThatWorkersCarriedOnGiveNone) {
  v1::Comparison dialogue = Judged("c");
  dialogue.mutable_prompt()->set_prompt_id("carried on");
  v1::Message* const message = dialogue.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("I live at …");
  EXPECT_FALSE(Past(dialogue).has_value());
}

TEST(PastResponseOfTest, WhatAWorkerRewroteIsNotTaken) {
  v1::Comparison edited = Judged("c");
  edited.set_edited_response("in my own words");
  EXPECT_EQ(Past(edited)->response.text, "yes");
}

TEST(PastResponseOfTest, GoldImportedAndRetractedComparisonsGiveNone) {
  v1::Comparison gold = Judged("c");
  gold.set_source("gold");
  EXPECT_FALSE(Past(gold).has_value());
  v1::Comparison imported = Judged("c");
  imported.set_source("import:page");
  EXPECT_FALSE(Past(imported).has_value());
  v1::Comparison retracted = Judged("c");
  retracted.set_choice(v1::RETRACTED);
  EXPECT_FALSE(Past(retracted).has_value());
  v1::Comparison unknown = Judged("c");
  unknown.set_policy_version_a(-1);
  unknown.set_policy_version_b(-1);
  EXPECT_FALSE(Past(unknown).has_value());
}

class ReadPastTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }

  void Append(int64_t version, const std::string& text,
              const std::string& worker = "ada") {
    v1::Comparison comparison =
        Judged(absl::StrCat(version, text, "by", worker));
    comparison.set_worker_id(worker);
    comparison.set_policy_version_a(version);
    comparison.set_policy_version_b(version);
    comparison.set_response_b(text);
    ASSERT_OK(store_->Append(comparison));
  }

  absl::StatusOr<PastResponses> Read(
      const std::vector<v1::UpdateReport>& updates = {}) {
    return ReadPast(*store_, {Judged("c").prompt()}, updates);
  }

  static std::set<std::string> Texts(const PastResponses& past) {
    std::set<std::string> texts;
    for (uint64_t key = 0; key < 200; ++key) {
      texts.insert(past.Draw(1'000, key)->response.text);
    }
    return texts;
  }

  TempDir dir_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
};

TEST_F(ReadPastTest, AnswersOfSeveralPeopleToOneTaskGiveOne) {
  Append(4, "four");
  Append(4, "four", "ben");
  Append(5, "five");
  ASSERT_OK_AND_ASSIGN(const PastResponses past, Read());
  EXPECT_EQ(past.size(), 2u);
  EXPECT_EQ(Texts(past), (std::set<std::string>{"four", "five"}));
}

TEST_F(ReadPastTest, WhatWasRetractedIsGone) {
  Append(4, "four");
  Append(5, "five", "ben");
  ASSERT_OK(store_->Retract({.worker_id = "ben"}, "asked", "cyd"));
  ASSERT_OK_AND_ASSIGN(const PastResponses past, Read());
  EXPECT_EQ(Texts(past), (std::set<std::string>{"four"}));
}

TEST_F(ReadPastTest, ALongLogKeepsWhatEachStretchOfThePathSaid) {
  Append(0, "initial");
  for (int i = 0; i < 300; ++i) Append(1, absl::StrCat("one ", i));
  v1::UpdateReport after_version_1;
  after_version_1.set_update(2);
  after_version_1.set_kl_k1_nats_per_sequence(9);
  ASSERT_OK_AND_ASSIGN(const PastResponses past, Read({after_version_1}));
  EXPECT_EQ(past.size(), PastResponses::kCapacity);
  EXPECT_TRUE(Texts(past).contains("initial"));
}

}  // namespace
}  // namespace rlhf
