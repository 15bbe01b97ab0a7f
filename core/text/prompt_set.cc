#include "core/text/prompt_set.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/text/prompt_id.h"

namespace rlhf {

absl::Status CheckPrompt(const Messages& messages) {
  RLHF_RETURN_IF_ERROR(CheckMessages(messages));
  if (messages[messages.size() - 1].role() == "user") return absl::OkStatus();
  return absl::InvalidArgumentError(
      "a prompt ends on the human side: its last role must be \"user\"");
}

absl::StatusOr<v1::Prompt> ParsePrompt(const Json& json) {
  v1::Prompt prompt;
  if (json.is_object() && json.contains("messages")) {
    if (!json.at("messages").is_array() || json.at("messages").empty()) {
      return absl::InvalidArgumentError("\"messages\" is not a list of some");
    }
    for (const Json& entry : json.at("messages")) {
      v1::Message& message = *prompt.add_messages();
      RLHF_ASSIGN_OR_RETURN(*message.mutable_role(), GetString(entry, "role"));
      RLHF_ASSIGN_OR_RETURN(*message.mutable_content(),
                            GetString(entry, "content"));
    }
  } else {
    v1::Message& message = *prompt.add_messages();
    message.set_role("user");
    RLHF_ASSIGN_OR_RETURN(*message.mutable_content(),
                          GetString(json, "prompt"));
  }
  RLHF_RETURN_IF_ERROR(CheckPrompt(prompt.messages()));
  prompt.set_prompt_id(PromptId(prompt.messages()));
  return prompt;
}

absl::StatusOr<std::vector<v1::Prompt>> ReadPrompts(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  std::vector<v1::Prompt> prompts;
  std::set<std::string> seen;
  int line_number = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const absl::StatusOr<v1::Prompt> prompt =
        [&]() -> absl::StatusOr<v1::Prompt> {
      RLHF_ASSIGN_OR_RETURN(const Json json, ParseJson(line));
      return ParsePrompt(json);
    }();
    if (!prompt.ok()) {
      return WithContext(prompt.status(), absl::StrCat(path, ":", line_number));
    }
    if (seen.insert(prompt->prompt_id()).second) prompts.push_back(*prompt);
  }
  if (prompts.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no prompts; wanted lines like {\"prompt\": \"…\"}"));
  }
  return prompts;
}

PromptSplit SplitPrompts(std::vector<v1::Prompt> prompts,
                         double held_out_share) {
  PromptSplit split;
  for (v1::Prompt& prompt : prompts) {
    const bool held_out =
        HashFraction(prompt.prompt_id(), "held-out prompts") < held_out_share;
    (held_out ? split.held_out : split.training).push_back(std::move(prompt));
  }
  return split;
}

}  // namespace rlhf
