#include "feedback/preference_pair.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/chat_format.h"
#include "core/text/prompt_id.h"

namespace rlhf {
namespace {

absl::StatusOr<Messages> MessagesFromList(const Json& list,
                                          absl::string_view key) {
  Messages messages;
  for (const Json& entry : list) {
    v1::Message& message = *messages.Add();
    auto role = GetString(entry, "role");
    auto content = GetString(entry, "content");
    RLHF_RETURN_IF_ERROR(WithContext(role.status(), key));
    RLHF_RETURN_IF_ERROR(WithContext(content.status(), key));
    message.set_role(*std::move(role));
    message.set_content(*std::move(content));
  }
  return messages;
}

// The messages of `json[key]`; a string is one message of `role`, or with
// `is_dialogue` a whole dialogue.
absl::StatusOr<Messages> GetMessages(const Json& json, absl::string_view key,
                                     absl::string_view role, bool is_dialogue) {
  const auto found = json.find(std::string(key));
  if (found != json.end() && found->is_array() && !found->empty()) {
    return MessagesFromList(*found, key);
  }
  auto text = GetString(json, key);
  if (!text.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", key, "\" must be a string or a list of messages"));
  }
  if (is_dialogue) {
    auto messages = ParseHumanAssistant(*text);
    RLHF_RETURN_IF_ERROR(WithContext(messages.status(), key));
    return messages;
  }
  Messages messages;
  messages.Add()->set_role(std::string(role));
  messages[0].set_content(*std::move(text));
  return messages;
}

absl::Status CheckAnswer(const Messages& messages, absl::string_view key) {
  if (messages[messages.size() - 1].role() == "assistant") {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(
      absl::StrCat("\"", key, "\" does not end with the assistant's answer"));
}

}  // namespace

absl::StatusOr<PreferencePair> ReadPreferencePair(const Json& json) {
  const bool has_prompt = json.contains("prompt");
  Messages prompt;
  if (has_prompt) {
    RLHF_ASSIGN_OR_RETURN(prompt, GetMessages(json, "prompt", "user", false));
  }
  RLHF_ASSIGN_OR_RETURN(Messages chosen,
                        GetMessages(json, "chosen", "assistant", !has_prompt));
  RLHF_ASSIGN_OR_RETURN(
      Messages rejected,
      GetMessages(json, "rejected", "assistant", !has_prompt));
  RLHF_RETURN_IF_ERROR(CheckAnswer(chosen, "chosen"));
  RLHF_RETURN_IF_ERROR(CheckAnswer(rejected, "rejected"));
  PreferencePair pair;
  pair.chosen = chosen[chosen.size() - 1].content();
  pair.rejected = rejected[rejected.size() - 1].content();
  chosen.RemoveLast();
  rejected.RemoveLast();
  // What stands before the answers belongs to the prompt, and must be shared.
  if (PromptId(chosen) != PromptId(rejected)) {
    return absl::FailedPreconditionError(
        "\"chosen\" and \"rejected\" do not answer the same prompt");
  }
  if (pair.chosen == pair.rejected) {
    return absl::FailedPreconditionError(
        "\"chosen\" and \"rejected\" are the same");
  }
  prompt.MergeFrom(chosen);
  if (prompt.empty() || prompt[prompt.size() - 1].role() != "user") {
    return absl::FailedPreconditionError(
        "the prompt does not end on the human side");
  }
  pair.prompt.set_prompt_id(PromptId(prompt));
  *pair.prompt.mutable_messages() = std::move(prompt);
  return pair;
}

}  // namespace rlhf
