#include "trainer/prompt_lengths.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"
#include "tests/testing/tiny_model.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(CheckPromptLengthsTest, NamesThePromptThatIsTooLong) {
  TempDir folder;
  ASSERT_OK(WriteTinyModel(folder / "model", 1));
  v1::RunConfig config;
  config.set_initial_policy(folder / "model");
  config.set_prompts("prompts.jsonl");
  std::vector<v1::Prompt> prompts(2);
  for (v1::Prompt& prompt : prompts) prompt.add_messages()->set_role("user");
  prompts[0].mutable_messages(0)->set_content("Tea?");
  prompts[1].mutable_messages(0)->set_content("Tell me all about tea, please.");

  config.mutable_sampling()->set_max_prompt_tokens(1000);
  config.mutable_sampling()->set_max_new_tokens(8);
  EXPECT_OK(CheckPromptLengths(config, prompts));
  config.mutable_sampling()->set_max_prompt_tokens(10);
  EXPECT_THAT(CheckPromptLengths(config, {prompts[1]}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("prompts.jsonl: the prompt \"Tell me"),
                             HasSubstr("sampling.max_prompt_tokens is 10"))));
  config.mutable_sampling()->set_max_prompt_tokens(1000);
  config.mutable_sampling()->set_max_new_tokens(8192);
  EXPECT_THAT(CheckPromptLengths(config, prompts),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("sampling.max_new_tokens 8192"),
                             HasSubstr("positions of"))));
}

}  // namespace
}  // namespace rlhf
