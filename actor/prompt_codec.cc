#include "actor/prompt_codec.h"

#include "core/base/status_macros.h"

namespace rlhf {

absl::StatusOr<PromptCodec> PromptCodec::Load(const std::string& directory) {
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<const Tokenizer> tokenizer,
                        Tokenizer::Load(directory));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format, ChatFormat::Load(directory));
  return PromptCodec(std::move(tokenizer), format);
}

absl::StatusOr<std::vector<int32_t>> PromptCodec::Encode(
    const v1::Prompt& prompt) const {
  RLHF_ASSIGN_OR_RETURN(const std::string text,
                        format_.Render(prompt.messages(), true));
  return tokenizer_->Encode(text);
}

std::string PromptCodec::Decode(absl::Span<const int32_t> response_ids) const {
  return tokenizer_->Decode(response_ids, /*skip_special_tokens=*/true);
}

}  // namespace rlhf
