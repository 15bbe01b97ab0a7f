#include "core/comparisons/preference_pair.h"

#include <string>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<PreferencePair> Read(const std::string& line) {
  return ReadPreferencePair(*ParseJson(line));
}

TEST(ReadPreferencePairTest, HhDialoguesShareAllButTheLastAnswer) {
  ASSERT_OK_AND_ASSIGN(
      const PreferencePair pair,
      Read(R"({"chosen": "\n\nHuman: Hi\n\nAssistant: Hello!\n\nHuman: 2+2?)"
           R"(\n\nAssistant: 4", "rejected": "\n\nHuman: Hi\n\nAssistant: )"
           R"(Hello!\n\nHuman: 2+2?\n\nAssistant: 5"})"));
  ASSERT_EQ(pair.prompt.messages_size(), 3);
  EXPECT_EQ(pair.prompt.messages(1).content(), "Hello!");
  EXPECT_EQ(pair.prompt.messages(2).role(), "user");
  EXPECT_EQ(pair.chosen, "4");
  EXPECT_EQ(pair.rejected, "5");
}

TEST(ReadPreferencePairTest, TrlTextAndTrlMessagesAreTheSamePreference) {
  ASSERT_OK_AND_ASSIGN(
      const PreferencePair text,
      Read(R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"));
  ASSERT_OK_AND_ASSIGN(
      const PreferencePair messages,
      Read(R"({"prompt": [{"role": "user", "content": "2+2?"}],)"
           R"( "chosen": [{"role": "assistant", "content": "4"}],)"
           R"( "rejected": [{"role": "assistant", "content": "5"}]})"));
  ASSERT_OK_AND_ASSIGN(
      const PreferencePair implicit,
      Read(R"({"chosen": [{"role": "user", "content": "2+2?"},)"
           R"({"role": "assistant", "content": "4"}], "rejected":)"
           R"([{"role": "user", "content": "2+2?"},)"
           R"({"role": "assistant", "content": "5"}]})"));
  EXPECT_EQ(text.prompt.prompt_id(), messages.prompt.prompt_id());
  EXPECT_EQ(text.prompt.prompt_id(), implicit.prompt.prompt_id());
  EXPECT_EQ(messages.chosen, "4");
  EXPECT_EQ(implicit.rejected, "5");
}

TEST(ReadPreferencePairTest, MalformedMembersAreNamed) {
  EXPECT_THAT(Read(R"({"prompt": "2+2?", "chosen": "4"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"rejected\" must be a string or a list")));
  EXPECT_THAT(Read(R"({"prompt": [], "chosen": "4", "rejected": "5"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"prompt\" must be")));
  EXPECT_THAT(Read(R"({"chosen": "4", "rejected": "5"})"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("chosen: the dialogue does not begin with")));
  EXPECT_THAT(
      Read(R"({"prompt": "q", "chosen": [{"role": "assistant"}],)"
           R"( "rejected": "5"})"),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("chosen: ")));
}

TEST(ReadPreferencePairTest, PairsThatAreNoPreferenceAreToldApart) {
  const auto refused = [](const std::string& line) {
    const auto pair = Read(line);
    EXPECT_EQ(pair.status().code(), absl::StatusCode::kFailedPrecondition);
    return std::string(pair.status().message());
  };
  EXPECT_THAT(refused(R"({"prompt": "q", "chosen": "4", "rejected": "4"})"),
              HasSubstr("are the same"));
  EXPECT_THAT(refused(R"({"chosen": "\n\nHuman: a\n\nAssistant: 4",)"
                      R"( "rejected": "\n\nHuman: b\n\nAssistant: 5"})"),
              HasSubstr("do not answer the same prompt"));
  EXPECT_THAT(refused(R"({"chosen": "\n\nHuman: a",)"
                      R"( "rejected": "\n\nHuman: a\n\nAssistant: 5"})"),
              HasSubstr("\"chosen\" does not end with the assistant's"));
}

}  // namespace
}  // namespace rlhf
