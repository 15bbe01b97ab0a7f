#include "core/text/chat_format.h"

#include "core/text/text_fixtures.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

Messages ToMessages(const Json& json) {
  Messages messages;
  for (const Json& entry : json) {
    v1::Message& message = *messages.Add();
    message.set_role(entry["role"].get<std::string>());
    message.set_content(entry["content"].get<std::string>());
  }
  return messages;
}

Messages OneQuestion(const char* role = "user") {
  return ToMessages(Json::array({{{"role", role}, {"content", "Why?"}}}));
}

TEST(ChatFormatTest, RendersWhatTransformersRenders) {
  ASSERT_OK_AND_ASSIGN(
      const ChatFormat format,
      ChatFormat::Load(SourcePath("tests/fixtures/text/tiny_tokenizer")));
  EXPECT_EQ(format.kind(), ChatFormat::Kind::kSmolLm2);
  for (const Json& line : TextFixture("chat.jsonl")) {
    ASSERT_OK_AND_ASSIGN(const std::string text,
                         format.Render(ToMessages(line["messages"]),
                                       line["generation_prompt"].get<bool>()));
    EXPECT_EQ(text, line["text"].get<std::string>());
  }
}

TEST(ChatFormatTest, AScoredDialogueEndsWithTheEndOfTheTurn) {
  const ChatFormat format(ChatFormat::Kind::kChatMl);
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       format.RenderScored(OneQuestion(), "So."));
  EXPECT_EQ(text,
            "<|im_start|>user\nWhy?<|im_end|>\n"
            "<|im_start|>assistant\nSo.<|im_end|>");
}

TEST(ChatFormatTest, HumanAssistantIsWrittenAndReadBack) {
  const ChatFormat format(ChatFormat::Kind::kHumanAssistant);
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       format.RenderScored(OneQuestion(), "So."));
  EXPECT_EQ(text, "\n\nHuman: Why?\n\nAssistant: So.");

  ASSERT_OK_AND_ASSIGN(const Messages messages, ParseHumanAssistant(text));
  ASSERT_EQ(messages.size(), 2);
  EXPECT_EQ(messages[0].content(), "Why?");
  EXPECT_EQ(messages[1].role(), "assistant");
  EXPECT_EQ(messages[1].content(), "So.");
}

TEST(ChatFormatTest, AnEmptyLastTurnIsKept) {
  ASSERT_OK_AND_ASSIGN(const Messages messages,
                       ParseHumanAssistant("\n\nHuman: a\n\nAssistant:"));
  ASSERT_EQ(messages.size(), 2);
  EXPECT_EQ(messages[1].content(), "");
}

TEST(ChatFormatTest, RefusesWhatItDoesNotKnow) {
  TempDir folder;
  ASSERT_OK(WriteFileAtomically(folder / "chat_template.jinja",
                                "{{ bos_token }}{{ messages[0] }}"));
  EXPECT_THAT(ChatFormat::Load(folder.path()),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("chat_template.jinja"),
                             HasSubstr("unknown chat template; known are"))));
  ASSERT_OK(RemoveAll(folder / "chat_template.jinja"));
  ASSERT_OK(WriteFileAtomically(folder / "tokenizer_config.json", "{}"));
  EXPECT_THAT(
      ChatFormat::Load(folder.path()),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("no chat template")));
}

TEST(ChatFormatTest, RefusesUnknownRolesAndEmptyDialogues) {
  const ChatFormat format(ChatFormat::Kind::kChatMl);
  EXPECT_THAT(format.Render(OneQuestion("robot"), true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("unknown role \"robot\"")));
  EXPECT_THAT(format.Render(Messages(), true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("at least one message")));
  EXPECT_THAT(ChatFormat(ChatFormat::Kind::kHumanAssistant)
                  .Render(OneQuestion("system"), true),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no system messages")));
  EXPECT_THAT(ParseHumanAssistant("Human: a"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("does not begin")));
}

TEST(ChatFormatTest, ItsOwnTemplatesAreRecognised) {
  TempDir folder;
  ASSERT_OK(WriteFileAtomically(folder / "chat_template.jinja",
                                kHumanAssistantTemplate));
  ASSERT_OK_AND_ASSIGN(const ChatFormat format,
                       ChatFormat::Load(folder.path()));
  EXPECT_EQ(format.kind(), ChatFormat::Kind::kHumanAssistant);
}

}  // namespace
}  // namespace rlhf
