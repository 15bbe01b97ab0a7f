#include "feedback/prompt_cycle.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

std::vector<v1::Prompt> Prompts(int num_prompts) {
  std::vector<v1::Prompt> prompts(num_prompts);
  for (int i = 0; i < num_prompts; ++i) {
    prompts[i].set_prompt_id(absl::StrCat("p", i));
  }
  return prompts;
}

std::vector<std::string> Pass(PromptCycle& cycle, int pass, int size) {
  std::vector<std::string> ids;
  for (int i = 0; i < size; ++i) {
    ids.push_back(cycle.At(static_cast<int64_t>(pass) * size + i).prompt_id());
  }
  return ids;
}

TEST(PromptCycleTest, EachPassHasEveryPromptOnceInAnOrderOfItsOwn) {
  PromptCycle cycle(Prompts(20), /*seed=*/1);
  const auto first = Pass(cycle, 0, 20);
  const auto second = Pass(cycle, 1, 20);
  EXPECT_EQ(std::set<std::string>(first.begin(), first.end()).size(), 20u);
  EXPECT_EQ(std::set<std::string>(second.begin(), second.end()).size(), 20u);
  EXPECT_NE(first, second);
}

TEST(PromptCycleTest, OrderFollowsFromTheSeedAndNotFromTheHistory) {
  PromptCycle cycle(Prompts(20), /*seed=*/1);
  PromptCycle restarted(Prompts(20), /*seed=*/1);
  PromptCycle other(Prompts(20), /*seed=*/2);
  const auto first = Pass(cycle, 0, 20);
  EXPECT_EQ(Pass(cycle, 3, 20), Pass(restarted, 3, 20));
  EXPECT_EQ(first, Pass(restarted, 0, 20));
  EXPECT_NE(first, Pass(other, 0, 20));
}

TEST(PromptPositionTest, IsReadAsItWasWritten) {
  const TempDir dir;
  EXPECT_EQ(*ReadPromptPosition(dir.path(), 7), 7);
  ASSERT_OK(WritePromptPosition(dir.path(), 40));
  ASSERT_OK(WritePromptPosition(dir.path(), 48));
  EXPECT_EQ(*ReadPromptPosition(dir.path(), 7), 48);
  ASSERT_OK(WriteFileAtomically(dir / "next_prompt", "-1\n"));
  EXPECT_THAT(
      ReadPromptPosition(dir.path(), 7),
      StatusIs(absl::StatusCode::kDataLoss, testing::HasSubstr("next_prompt")));
}

}  // namespace
}  // namespace rlhf
