#include "core/text/chat_format.h"

#include "absl/strings/str_replace.h"
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

// A model's folder with nothing but this chat_template.jinja.
absl::StatusOr<ChatFormat> LoadTemplate(const std::string& text) {
  const TempDir folder;
  EXPECT_OK(WriteFileAtomically(folder / "chat_template.jinja", text));
  return ChatFormat::Load(folder.path());
}

// ChatML with its line breaks within Jinja's strings, and in the text.
constexpr char kChatMl[] =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";
constexpr char kChatMlInText[] =
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

std::string Replace(const std::string& text, const std::string& what,
                    const std::string& with) {
  return absl::StrReplaceAll(text, {{what, with}});
}

TEST(ChatFormatTest, ALineBreakInAJinjaStringMayBeEscaped) {
  for (const char* line_break : {"\n", "\\n", "\r\n", "\r"}) {
    ASSERT_OK_AND_ASSIGN(const ChatFormat format,
                         LoadTemplate(Replace(kChatMl, "\n", line_break)));
    EXPECT_EQ(format.kind(), ChatFormat::Kind::kChatMl);
  }
}

// Outside of {{ }} and {% %} Jinja writes a backslash and an n as they are, so
// this template renders "<|im_start|>user\nWhy?" in one line.
TEST(ChatFormatTest, ABackslashInTheTextOfATemplateIsNoLineBreak) {
  EXPECT_OK(LoadTemplate(kChatMlInText));
  EXPECT_OK(LoadTemplate(Replace(kChatMlInText, "\n", "\r\n")));
  EXPECT_THAT(
      LoadTemplate(Replace(kChatMlInText, "\n", "\\n")),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("unknown chat")));
}

// Jinja renders '\\n' as a backslash and an n.
TEST(ChatFormatTest, AnEscapedBackslashIsNoLineBreak) {
  EXPECT_THAT(
      LoadTemplate(Replace(kChatMl, "\n", "\\\\n")),
      StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("unknown chat")));
}

// Of what follows the last block, transformers drops two line breaks.
TEST(ChatFormatTest, OnlyWhatRendersAsNothingMayFollowTheLastBlock) {
  const std::string text = kChatMl;
  EXPECT_OK(LoadTemplate(text + "\n"));
  EXPECT_OK(LoadTemplate(text + "\n\n"));
  for (const char* more : {"\n\n\n", " ", " \n"}) {
    EXPECT_THAT(
        LoadTemplate(text + more),
        StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("unknown chat")));
  }
}

// "{%-" takes the white space before it away, so most of these render another
// text. What renders the same in another spelling is refused all the same.
TEST(ChatFormatTest, OtherSpellingsAreRefusedNotGuessedAt) {
  for (const std::string& text :
       {Replace(kChatMlInText, "{% end", "{%- end"),
        Replace(kChatMlInText, "}}\n", "-}}\n"),
        Replace(kChatMl, "{% if", "{%- if"), Replace(kChatMl, "%}", "%}\n"),
        "{# ChatML #}" + std::string(kChatMl)}) {
    EXPECT_THAT(LoadTemplate(text),
                StatusIs(absl::StatusCode::kUnimplemented,
                         AllOf(HasSubstr("unknown chat template; known are"),
                               HasSubstr("write that one's template to "
                                         "chat_template.jinja"))))
        << text;
  }
}

TEST(ChatFormatTest, AListOfTemplatesIsRefusedWithTheWayOut) {
  const TempDir folder;
  ASSERT_OK(WriteFileAtomically(
      folder / "tokenizer_config.json",
      R"({"chat_template": [{"name": "default", "template": "x"}]})"));
  EXPECT_THAT(ChatFormat::Load(folder.path()),
              StatusIs(absl::StatusCode::kUnimplemented,
                       AllOf(HasSubstr("tokenizer_config.json"),
                             HasSubstr("write the one to use to " +
                                       (folder / "chat_template.jinja")))));
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
