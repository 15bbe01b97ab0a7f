#include "trainer/prompt_lengths.h"

#include <algorithm>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"

namespace rlhf {

absl::Status CheckPromptLengths(const v1::RunConfig& config,
                                const std::vector<v1::Prompt>& prompts) {
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format,
                        ChatFormat::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const ModelConfig model,
                        LoadModelConfig(config.initial_policy()));
  const int64_t limit = config.sampling().max_prompt_tokens();
  const int64_t new_tokens = config.sampling().max_new_tokens();
  int64_t longest = 0;
  for (const v1::Prompt& prompt : prompts) {
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format.Render(prompt.messages(), true));
    const auto count = static_cast<int64_t>(tokenizer->Encode(text).size());
    longest = std::max(longest, count);
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
  if (longest + new_tokens > model.max_positions) {
    return absl::InvalidArgumentError(
        absl::StrCat(config.prompts(), ": the longest prompt takes ", longest,
                     " tokens; with sampling.max_new_tokens ", new_tokens,
                     " that is more than the ", model.max_positions,
                     " positions of ", config.initial_policy()));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
