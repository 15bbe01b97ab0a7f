#include "trainer/experience/prompt_schedule.h"

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

std::vector<v1::Prompt> Prompts(int count) {
  std::vector<v1::Prompt> prompts(static_cast<size_t>(count));
  for (int i = 0; i < count; ++i) {
    prompts[static_cast<size_t>(i)].set_prompt_id(absl::StrCat("p", i));
  }
  return prompts;
}

// The prompts of the rollouts `begin` to `end`, in order.
std::vector<std::string> Ids(const PromptSchedule& schedule, int64_t begin,
                             int64_t end) {
  std::vector<std::string> ids;
  for (int64_t i = begin; i < end; ++i) {
    ids.push_back(schedule.At(i).prompt->prompt_id());
  }
  return ids;
}

TEST(PromptScheduleTest, EveryPassTakesEveryPromptOnce) {
  const PromptSchedule schedule(Prompts(7), /*seed=*/3);
  for (int64_t pass = 0; pass < 20; ++pass) {
    EXPECT_THAT(
        Ids(schedule, 7 * pass, 7 * pass + 7),
        testing::UnorderedElementsAre("p0", "p1", "p2", "p3", "p4", "p5", "p6"))
        << "pass " << pass;
  }
}

TEST(PromptScheduleTest, TheSampleCountsHowOftenThePromptCameBefore) {
  const PromptSchedule schedule(Prompts(5), /*seed=*/1);
  std::map<std::string, int64_t> count;
  for (int64_t i = 0; i < 23; ++i) {
    const PromptSchedule::Slot slot = schedule.At(i);
    EXPECT_EQ(slot.sample, count[slot.prompt->prompt_id()]++) << i;
  }
}

TEST(PromptScheduleTest, AGroupTakesOnePromptWithSamplesOfItsOwn) {
  const PromptSchedule schedule(Prompts(5), /*seed=*/1,
                                /*samples_per_prompt=*/3);
  const PromptSchedule single(Prompts(5), /*seed=*/1);
  std::map<std::string, int64_t> count;
  for (int64_t i = 0; i < 30; ++i) {
    const PromptSchedule::Slot slot = schedule.At(i);
    EXPECT_EQ(slot.prompt->prompt_id(), single.At(i / 3).prompt->prompt_id());
    EXPECT_EQ(slot.sample, count[slot.prompt->prompt_id()]++) << i;
  }
}

TEST(PromptScheduleTest, TheOrderFollowsFromTheSeedAndTheNumberAlone) {
  const PromptSchedule first(Prompts(50), /*seed=*/9);
  const PromptSchedule second(Prompts(50), /*seed=*/9);
  const std::vector<std::string> forward = Ids(first, 0, 100);

  for (int64_t i = 99; i >= 0; --i) {
    EXPECT_EQ(second.At(i).prompt->prompt_id(),
              forward[static_cast<size_t>(i)]);
  }
}

TEST(PromptScheduleTest, PassesAndSeedsHaveOrdersOfTheirOwn) {
  const PromptSchedule schedule(Prompts(50), /*seed=*/9);
  const PromptSchedule other(Prompts(50), /*seed=*/10);

  EXPECT_NE(Ids(schedule, 0, 50), Ids(schedule, 50, 100));
  EXPECT_NE(Ids(schedule, 0, 50), Ids(other, 0, 50));
}

// Over 600 passes of 6 prompts, each prompt leads 100 passes on average; the
// standard deviation is sqrt(600 * 1/6 * 5/6) = 9.1, so 55 is five of them off.
TEST(PromptScheduleTest, NoPromptIsFavoured) {
  const PromptSchedule schedule(Prompts(6), /*seed=*/4);
  std::map<std::string, int> leads;
  for (int64_t pass = 0; pass < 600; ++pass) {
    ++leads[schedule.At(6 * pass).prompt->prompt_id()];
  }
  for (const auto& [id, count] : leads) EXPECT_NEAR(count, 100, 45) << id;
}

TEST(PromptScheduleTest, OnePromptIsSampledAgainAndAgain) {
  const PromptSchedule schedule(Prompts(1), /*seed=*/1);
  EXPECT_EQ(schedule.At(0).sample, 0);
  EXPECT_EQ(schedule.At(41).sample, 41);
  EXPECT_EQ(schedule.At(41).prompt->prompt_id(), "p0");
}

TEST(PromptScheduleDeathTest, NoPromptsIsAProgrammersError) {
  EXPECT_DEATH(PromptSchedule({}, 1), "check failed");
}

}  // namespace
}  // namespace rlhf
