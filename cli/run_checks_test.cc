#include "cli/run_checks.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/registry/model_registry.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::HasSubstr;

class RunChecksTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string lines;
    for (int i = 0; i < 50; ++i) {
      absl::StrAppend(&lines, "{\"prompt\": \"What is ", i, "?\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(folder_ / "prompts.jsonl", lines));
    config_.set_prompts(folder_ / "prompts.jsonl");
    config_.mutable_evaluation()->set_num_prompts(2);
    config_.mutable_preference()->add_refresh_at(64);
  }

  absl::Status Check() { return CheckRunCanFinish(config_, folder_ / "run"); }

  const TempDir folder_;
  v1::RunConfig config_;
};

TEST_F(RunChecksTest, ARunWithAPlanStarts) { EXPECT_OK(Check()); }

TEST_F(RunChecksTest, WithoutAPlannedPmPpoWouldWaitForEver) {
  config_.mutable_preference()->clear_refresh_at();
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                HasSubstr("no preference model is planned")));
  config_.mutable_preference()->set_refresh_every(10);
  EXPECT_OK(Check());
}

TEST_F(RunChecksTest, APmThatServesIsEnough) {
  config_.mutable_preference()->clear_refresh_at();
  const ModelRegistry registry(folder_ / "run/registry/pm");
  ASSERT_OK(registry
                .Publish(1, nullptr,
                         [](const std::string& folder) {
                           return WriteFileAtomically(folder + "/x", "y");
                         })
                .status());
  ASSERT_OK(registry.Promote(1, std::nullopt, {"test", "given"}));
  EXPECT_OK(Check());
}

TEST_F(RunChecksTest, ComparisonsMustReachTheFirstRefresh) {
  config_.mutable_feedback()->set_max_comparisons(63);
  EXPECT_THAT(Check(),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("feedback.max_comparisons is 63"),
                             HasSubstr("due at 64"))));
  config_.mutable_feedback()->set_max_comparisons(64);
  EXPECT_OK(Check());
}

TEST_F(RunChecksTest, TheEvaluationsPromptsMustBeThereBeforeTraining) {
  config_.mutable_evaluation()->set_num_prompts(40);
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInvalidArgument,
                                HasSubstr("evaluation.num_prompts is 40")));
}

}  // namespace
}  // namespace rlhf
