#include "core/comparisons/preference_pair.h"

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

}  // namespace

absl::StatusOr<PreferenceDialogues> ReadPreferenceDialogues(const Json& json) {
  const bool has_prompt = json.is_object() && json.contains("prompt");
  PreferenceDialogues dialogues;
  if (has_prompt) {
    RLHF_ASSIGN_OR_RETURN(dialogues.chosen,
                          GetMessages(json, "prompt", "user", false));
    dialogues.rejected = dialogues.chosen;
  }
  for (const auto& [key, side] : {std::pair("chosen", &dialogues.chosen),
                                  std::pair("rejected", &dialogues.rejected)}) {
    RLHF_ASSIGN_OR_RETURN(const Messages messages,
                          GetMessages(json, key, "assistant", !has_prompt));
    side->MergeFrom(messages);
    if ((*side)[side->size() - 1].role() != "assistant") {
      return absl::FailedPreconditionError(absl::StrCat(
          "\"", key, "\" does not end with the assistant's answer"));
    }
  }
  return dialogues;
}

absl::StatusOr<PreferencePair> ReadPreferencePair(const Json& json) {
  RLHF_ASSIGN_OR_RETURN(PreferenceDialogues dialogues,
                        ReadPreferenceDialogues(json));
  Messages& chosen = dialogues.chosen;
  Messages& rejected = dialogues.rejected;
  PreferencePair pair;
  pair.chosen = chosen[chosen.size() - 1].content();
  pair.rejected = rejected[rejected.size() - 1].content();
  chosen.RemoveLast();
  rejected.RemoveLast();
  // What stands before the answers is the prompt, and must be shared.
  if (PromptId(chosen) != PromptId(rejected)) {
    return absl::FailedPreconditionError(
        "\"chosen\" and \"rejected\" do not answer the same prompt");
  }
  if (pair.chosen == pair.rejected) {
    return absl::FailedPreconditionError(
        "\"chosen\" and \"rejected\" are the same");
  }
  if (chosen.empty() || chosen[chosen.size() - 1].role() != "user") {
    return absl::FailedPreconditionError(
        "the prompt does not end on the human side");
  }
  pair.prompt.set_prompt_id(PromptId(chosen));
  *pair.prompt.mutable_messages() = std::move(chosen);
  return pair;
}

}  // namespace rlhf
