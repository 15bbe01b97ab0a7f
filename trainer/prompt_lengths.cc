#include "trainer/prompt_lengths.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"

namespace rlhf {

absl::Status CheckPromptLengths(const v1::RunConfig& config,
                                const std::vector<v1::Prompt>& prompts) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format,
                        ChatFormat::Load(config.initial_policy()));
  const int64_t limit = config.sampling().max_prompt_tokens();
  for (const v1::Prompt& prompt : prompts) {
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format.Render(prompt.messages(), true));
    const auto count = static_cast<int64_t>(tokenizer->Encode(text).size());
    if (count > limit) {
      return absl::InvalidArgumentError(absl::StrCat(
          config.prompts(), ": the prompt \"",
          prompt.messages().rbegin()->content().substr(0, 60), "\" takes ",
          count,
          " tokens with its chat template; sampling.max_prompt_tokens "
          "is ",
          limit));
    }
  }
  return absl::OkStatus();
}

}  // namespace rlhf
