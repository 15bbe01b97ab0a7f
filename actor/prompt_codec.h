// Between dialogues and the policy's tokens.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// Const methods may run at once.
class PromptCodec {
 public:
  // Reads tokenizer and template of a model directory.
  // Errors: as Tokenizer::Load and ChatFormat::Load.
  static absl::StatusOr<PromptCodec> Load(const std::string& directory);

  // The prompt's tokens, up to where the response begins.
  // Errors: InvalidArgument for what the chat format refuses.
  absl::StatusOr<std::vector<int32_t>> Encode(const v1::Prompt& prompt) const;

  const Tokenizer& tokenizer() const { return *tokenizer_; }

  // The response as text, special tokens left out.
  std::string Decode(absl::Span<const int32_t> response_ids) const;

 private:
  PromptCodec(std::unique_ptr<const Tokenizer> tokenizer, ChatFormat format)
      : tokenizer_(std::move(tokenizer)), format_(format) {}

  std::unique_ptr<const Tokenizer> tokenizer_;
  ChatFormat format_;
};

}  // namespace rlhf
