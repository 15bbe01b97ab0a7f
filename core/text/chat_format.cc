#include "core/text/chat_format.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {

const char kHumanAssistantTemplate[] =
    "{% for message in messages %}{{ ('\\n\\nHuman: ' if message['role'] == "
    "'user' else '\\n\\nAssistant: ') + message['content'] }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '\\n\\nAssistant:' }}{% endif %}";

namespace {

constexpr char kSmolLm2Template[] =
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != "
    "'system' %}{{ '<|im_start|>system\nYou are a helpful AI assistant named "
    "SmolLM, trained by Hugging Face<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|im_start|>assistant\n' }}{% endif %}";

// ChatML as its users write it, in three spellings.
constexpr const char* kChatMlTemplates[] = {
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + "
    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}"
    "<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
};

constexpr char kDefaultSystem[] =
    "You are a helpful AI assistant named SmolLM, trained by Hugging Face";

// `text` with its line breaks in one spelling. As Jinja reads it, "\n" is a
// line break within the strings of {{ … }} and {% … %} and two characters
// elsewhere; \r\n and \r in the file are line breaks; and two at its end, after
// the last block, render as nothing.
std::string Normalize(absl::string_view text) {
  std::string result;
  bool in_code = false;
  char quote = '\0';  // of the string that we are in
  for (size_t i = 0; i < text.size(); ++i) {
    const absl::string_view two = text.substr(i, 2);
    if (quote != '\0' && text[i] == '\\') {
      absl::StrAppend(&result, two == "\\n" ? "\n" : two);
      ++i;
      continue;
    }
    if (text[i] == '\r') {
      if (two != "\r\n") result.push_back('\n');
      continue;
    }
    if (quote != '\0') {
      if (text[i] == quote) quote = '\0';
    } else if (in_code && (text[i] == '\'' || text[i] == '"')) {
      quote = text[i];
    } else if (two == "{{" || two == "{%") {
      in_code = true;
    } else if (two == "}}" || two == "%}") {
      in_code = false;
    }
    result.push_back(text[i]);
  }
  absl::string_view body = result;
  for (int i = 0; i < 2; ++i) absl::ConsumeSuffix(&body, "\n");
  return std::string(body);
}

absl::StatusOr<ChatFormat> Recognise(absl::string_view text,
                                     const std::string& path) {
  const std::string normal = Normalize(text);
  if (normal == Normalize(kSmolLm2Template)) {
    return ChatFormat(ChatFormat::Kind::kSmolLm2);
  }
  for (const char* known : kChatMlTemplates) {
    if (normal == Normalize(known))
      return ChatFormat(ChatFormat::Kind::kChatMl);
  }
  if (normal == Normalize(kHumanAssistantTemplate)) {
    return ChatFormat(ChatFormat::Kind::kHumanAssistant);
  }
  return absl::UnimplementedError(absl::StrCat(
      path,
      ": unknown chat template; known are SmolLM2's, plain ChatML and the "
      "Human/Assistant format, in the spellings of core/text/chat_format.cc. "
      "If the model was trained on the text of one of these, write that one's "
      "template to chat_template.jinja in the model's folder, which is read "
      "before tokenizer_config.json"));
}

absl::StatusOr<std::string> RenderChatMl(const Messages& messages,
                                         bool add_generation_prompt,
                                         bool default_system) {
  std::string text;
  const auto add = [&text](absl::string_view role, absl::string_view content) {
    absl::StrAppend(&text, "<|im_start|>", role, "\n", content, "<|im_end|>\n");
  };
  if (default_system && messages[0].role() != "system") {
    add("system", kDefaultSystem);
  }
  for (const v1::Message& message : messages) {
    add(message.role(), message.content());
  }
  if (add_generation_prompt) absl::StrAppend(&text, "<|im_start|>assistant\n");
  return text;
}

absl::StatusOr<std::string> RenderHumanAssistant(const Messages& messages,
                                                 bool add_generation_prompt) {
  std::string text;
  for (const v1::Message& message : messages) {
    if (message.role() == "system") {
      return absl::InvalidArgumentError(
          "the Human/Assistant format has no system messages");
    }
    absl::StrAppend(
        &text, message.role() == "user" ? "\n\nHuman: " : "\n\nAssistant: ",
        message.content());
  }
  if (add_generation_prompt) absl::StrAppend(&text, "\n\nAssistant:");
  return text;
}

}  // namespace

absl::StatusOr<ChatFormat> ChatFormat::Load(const std::string& directory) {
  const std::string path = directory + "/chat_template.jinja";
  if (FileExists(path)) {
    RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    return Recognise(text, path);
  }
  const std::string config_path = directory + "/tokenizer_config.json";
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(config_path));
  const absl::StatusOr<Json> config = ParseJson(text);
  if (!config.ok()) return WithContext(config.status(), config_path);
  const absl::StatusOr<std::string> chat_template =
      GetString(*config, "chat_template");
  if (config->contains("chat_template") && !chat_template.ok()) {
    return absl::UnimplementedError(absl::StrCat(
        config_path,
        ": \"chat_template\" is a list of templates; write the one to use to ",
        path));
  }
  if (!chat_template.ok()) {
    return absl::NotFoundError(
        absl::StrCat(directory,
                     ": no chat template: neither chat_template.jinja nor a "
                     "\"chat_template\" in tokenizer_config.json"));
  }
  return Recognise(*chat_template, config_path);
}

absl::Status CheckMessages(const Messages& messages) {
  if (messages.empty()) {
    return absl::InvalidArgumentError("a dialogue needs at least one message");
  }
  for (const v1::Message& message : messages) {
    if (message.role() != "system" && message.role() != "user" &&
        message.role() != "assistant") {
      return absl::InvalidArgumentError(
          absl::StrCat("unknown role \"", message.role(),
                       "\"; wanted system, user or assistant"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ChatFormat::Render(
    const Messages& messages, bool add_generation_prompt) const {
  RLHF_RETURN_IF_ERROR(CheckMessages(messages));
  if (kind_ == Kind::kHumanAssistant) {
    return RenderHumanAssistant(messages, add_generation_prompt);
  }
  return RenderChatMl(messages, add_generation_prompt, kind_ == Kind::kSmolLm2);
}

absl::StatusOr<std::string> ChatFormat::RenderScored(
    const Messages& prompt, absl::string_view response) const {
  Messages messages = prompt;
  v1::Message& last = *messages.Add();
  last.set_role("assistant");
  last.set_content(std::string(response));
  RLHF_ASSIGN_OR_RETURN(std::string text, Render(messages, false));
  // ChatML's line break after the end of the turn belongs to the next turn.
  if (absl::EndsWith(text, "<|im_end|>\n")) text.pop_back();
  return text;
}

absl::StatusOr<Messages> ParseHumanAssistant(absl::string_view text) {
  constexpr absl::string_view kHuman = "\n\nHuman:",
                              kAssistant = "\n\nAssistant:";
  if (!absl::StartsWith(text, kHuman)) {
    return absl::InvalidArgumentError(
        "the dialogue does not begin with \"\\n\\nHuman:\"");
  }
  Messages messages;
  while (!text.empty()) {
    const bool human = absl::StartsWith(text, kHuman);
    text.remove_prefix(human ? kHuman.size() : kAssistant.size());
    const size_t end = std::min(text.find(kHuman), text.find(kAssistant));
    v1::Message& message = *messages.Add();
    message.set_role(human ? "user" : "assistant");
    message.set_content(
        std::string(absl::StripPrefix(text.substr(0, end), " ")));
    text = end == absl::string_view::npos ? "" : text.substr(end);
  }
  return messages;
}

}  // namespace rlhf
