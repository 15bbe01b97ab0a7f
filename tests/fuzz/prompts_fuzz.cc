// Files of prompts (core/text/prompt_set.h), and dialogues as one text.
#include "absl/strings/match.h"
#include "core/base/check.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_set.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

void Render(const v1::Prompt& prompt) {
  const auto status = CheckPrompt(prompt.messages());
  RLHF_CHECK(status.ok()) << status;
  for (const auto kind : {ChatFormat::Kind::kSmolLm2, ChatFormat::Kind::kChatMl,
                          ChatFormat::Kind::kHumanAssistant}) {
    const auto text = ChatFormat(kind).Render(prompt.messages(), true);
    CheckExplained(text.status());
    // Only Human/Assistant dialogues have no system message.
    RLHF_CHECK(text.ok() || kind == ChatFormat::Kind::kHumanAssistant);
    if (!text.ok() || kind != ChatFormat::Kind::kHumanAssistant) continue;
    RLHF_CHECK(!absl::StartsWith(*text, "\n\nHuman:") ||
               ParseHumanAssistant(*text).ok());
  }
}

RLHF_FUZZ_TARGET(prompts) {
  const auto dialogue = ParseHumanAssistant(input);
  CheckExplained(dialogue.status());
  if (dialogue.ok()) RLHF_CHECK(CheckMessages(*dialogue).ok());
  static const TempDir folder;
  const std::string path = folder / "prompts.jsonl";
  WriteInput(path, input);
  auto prompts = ReadPrompts(path);
  CheckExplained(prompts.status(), {absl::StatusCode::kInvalidArgument});
  if (!prompts.ok()) return;
  RLHF_CHECK(!prompts->empty());
  for (const v1::Prompt& prompt : *prompts) Render(prompt);
  const size_t count = prompts->size();
  const PromptSplit split = SplitPrompts(*std::move(prompts), 0.5);
  RLHF_CHECK(split.training.size() + split.held_out.size() == count);
}

}  // namespace
}  // namespace rlhf
