// How a dialogue becomes the text that a model was trained on.
#pragma once

#include <google/protobuf/repeated_field.h>

#include <string>

#include "absl/status/statusor.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

using Messages = google::protobuf::RepeatedPtrField<v1::Message>;

// InvalidArgument for no message or a role other than system, user, assistant.
absl::Status CheckMessages(const Messages& messages);

// Templates are recognised, not interpreted: a directory whose template is not
// one of these is refused, because a near miss would train silently on the
// wrong text. Message contents are taken as they are, so that a special token
// written in one is a special token, as in transformers.
class ChatFormat {
 public:
  enum class Kind {
    // ChatML; SmolLM2's default system message comes first if none is given.
    kSmolLm2,
    // ChatML, without a default system message.
    kChatMl,
    // Bai et al.'s dialogues: "\n\nHuman: …\n\nAssistant: …".
    kHumanAssistant,
  };

  explicit ChatFormat(Kind kind) : kind_(kind) {}

  // Reads chat_template.jinja, else tokenizer_config.json's "chat_template".
  //
  // Errors: NotFound without either; Unimplemented for a template that is not
  // known. Both name the file.
  static absl::StatusOr<ChatFormat> Load(const std::string& directory);

  // The text of a dialogue. With `add_generation_prompt` it ends where the
  // assistant's next words begin.
  //
  // Errors: InvalidArgument for no message, a role that the format does not
  // know, or (Human/Assistant) a system message.
  absl::StatusOr<std::string> Render(const Messages& messages,
                                     bool add_generation_prompt) const;

  // The text of a dialogue that ends with `response`, up to and including the
  // end of the turn: what a preference model reads.
  absl::StatusOr<std::string> RenderScored(const Messages& prompt,
                                           absl::string_view response) const;

  Kind kind() const { return kind_; }

 private:
  Kind kind_;
};

// Cuts "\n\nHuman: …\n\nAssistant: …" into messages. The last one may be empty.
// Errors: InvalidArgument if the text does not begin with "\n\nHuman:".
absl::StatusOr<Messages> ParseHumanAssistant(absl::string_view text);

// The chat_template.jinja of the Human/Assistant format, for directories that
// are to use it.
extern const char kHumanAssistantTemplate[];

}  // namespace rlhf
