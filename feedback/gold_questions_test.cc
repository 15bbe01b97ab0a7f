#include "feedback/gold_questions.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr char kSecret[] = "of the run";

class GoldQuestionsTest : public ::testing::Test {
 protected:
  absl::StatusOr<GoldQuestions> Read(const std::string& text) {
    EXPECT_OK(WriteFileAtomically(dir_ / "gold.jsonl", text));
    return GoldQuestions::Read(dir_ / "gold.jsonl");
  }

  TempDir dir_;
};

TEST_F(GoldQuestionsTest, RightAnswerIsAWhateverTheFileCallsIt) {
  const std::string own =
      R"({"prompt": {"messages": [{"role": "user", "content": "2+2?"}]}, )"
      R"("response_a": "5", "response_b": "4", "choice": "B_BETTER", )"
      R"("strength": 1, "task_kind": "RED_TEAM"})";
  const std::string trl =
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})";
  ASSERT_OK_AND_ASSIGN(const GoldQuestions gold, Read(own + "\n" + trl));
  EXPECT_EQ(gold.size(), 2u);
  int num_red_team = 0;
  for (int number = 0; number < 2; ++number) {
    const Task task = gold.Ask("ada", number, kSecret);
    EXPECT_EQ(task.response_a, "4");
    EXPECT_EQ(task.response_b, "5");
    EXPECT_TRUE(task.gold);
    EXPECT_EQ(task.task_id.size(), 16u);
    num_red_team += task.kind == v1::RED_TEAM;
  }
  EXPECT_EQ(num_red_team, 1);
}

TEST_F(GoldQuestionsTest, WorkerIsAskedAllBeforeAnyAgainAndEachTaskIsNew) {
  std::string lines;
  for (int i = 0; i < 20; ++i) {
    absl::StrAppend(&lines, "{\"prompt\": \"", i,
                    "?\", \"chosen\": \"yes\", \"rejected\": \"no\"}\n");
  }
  ASSERT_OK_AND_ASSIGN(const GoldQuestions gold, Read(lines));
  std::set<std::string> prompts, names;
  for (int number = 0; number < 40; ++number) {
    const Task task = gold.Ask("ada", number, kSecret);
    EXPECT_EQ(task.prompt.prompt_id(),
              gold.Ask("ada", number + 20, kSecret).prompt.prompt_id());
    prompts.insert(task.prompt.prompt_id());
    names.insert(task.task_id);
    names.insert(gold.Ask("ben", number, kSecret).task_id);
  }
  EXPECT_EQ(prompts.size(), 20u);
  EXPECT_EQ(names.size(), 80u);
}

TEST_F(GoldQuestionsTest, NameCannotBeToldWithoutTheSecret) {
  ASSERT_OK_AND_ASSIGN(
      const GoldQuestions gold,
      Read(R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"));
  const std::string name = gold.Ask("ada", 0, kSecret).task_id;
  EXPECT_EQ(name, gold.Ask("ada", 0, kSecret).task_id);
  EXPECT_NE(name, gold.Ask("ada", 0, "another").task_id);
  EXPECT_NE(name, Sha256Hex("gold/ada/0").substr(0, 16));
}

TEST_F(GoldQuestionsTest, QuestionWithoutARightAnswerIsRefused) {
  EXPECT_THAT(Read(R"({"prompt": {"messages": [{"role": "user", )"
                   R"("content": "2+2?"}]}, "response_a": "5", )"
                   R"("response_b": "4", "choice": "TIE"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("question 1 says TIE"),
                             HasSubstr("has a right answer"))));
  EXPECT_THAT(Read(R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("gold.jsonl:1 is no gold question")));
}

}  // namespace
}  // namespace rlhf
