#include "core/text/prompt_set.h"

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/text/prompt_id.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::HasSubstr;

class PromptSetTest : public testing::Test {
 protected:
  absl::StatusOr<std::vector<v1::Prompt>> Read(const std::string& text) {
    EXPECT_OK(WriteFileAtomically(path_, text));
    return ReadPrompts(path_);
  }
  TempDir folder_;
  const std::string path_ = folder_ / "prompts.jsonl";
};

TEST_F(PromptSetTest, ReadsBothFormsAndKeepsRepeatsOnce) {
  ASSERT_OK_AND_ASSIGN(
      const std::vector<v1::Prompt> prompts,
      Read("{\"prompt\":\"a\"}\n\n"
           "{\"messages\":[{\"role\":\"user\",\"content\":\"a\"}]}\n"
           "{\"prompt\":\"b\"}"));
  ASSERT_EQ(prompts.size(), 2);
  EXPECT_EQ(prompts[1].messages(0).content(), "b");
  EXPECT_EQ(prompts[0].prompt_id().size(), 16);
}

TEST_F(PromptSetTest, ErrorsNameTheLine) {
  using absl::StatusCode;
  EXPECT_THAT(Read("{\"prompt\":\"a\"}\n{\"promt\":\"b\"}\n"),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr("prompts.jsonl:2: \"prompt\" is missing")));
  EXPECT_THAT(Read("not json\n"), StatusIs(StatusCode::kInvalidArgument,
                                           HasSubstr("prompts.jsonl:1")));
  EXPECT_THAT(
      Read("{\"messages\":[{\"role\":\"assistant\",\"content\":\"a\"}]}"),
      StatusIs(StatusCode::kInvalidArgument, HasSubstr("human side")));
  EXPECT_THAT(Read("\n"),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr("no prompts")));
}

TEST(PromptSplitTest, HoldsOutAboutTheShareAskedForAndAlwaysTheSame) {
  std::vector<v1::Prompt> prompts;
  for (int i = 0; i < 2000; ++i) {
    prompts.push_back(
        *ParsePrompt(Json{{"prompt", absl::StrCat("question ", i)}}));
  }
  const PromptSplit split = SplitPrompts(prompts, 0.25);
  // Four standard deviations of a count of 2,000 at 0.25 are 78.
  EXPECT_NEAR(static_cast<double>(split.held_out.size()), 500, 78);
  EXPECT_EQ(split.held_out.size() + split.training.size(), 2000);
  const PromptSplit again = SplitPrompts(prompts, 0.25);
  EXPECT_EQ(again.held_out.front().prompt_id(),
            split.held_out.front().prompt_id());
}

TEST(PromptIdTest, DistinguishesRolesAndBoundaries) {
  const auto id = [](std::vector<std::pair<std::string, std::string>> turns) {
    Messages messages;
    for (const auto& [role, content] : turns) {
      v1::Message& message = *messages.Add();
      message.set_role(role);
      message.set_content(content);
    }
    return PromptId(messages);
  };
  EXPECT_NE(id({{"user", "ab"}}), id({{"user", "a"}, {"user", "b"}}));
  EXPECT_NE(id({{"user", "a"}}), id({{"system", "a"}}));
  EXPECT_EQ(id({{"user", "a"}}), id({{"user", "a"}}));
}

}  // namespace
}  // namespace rlhf
