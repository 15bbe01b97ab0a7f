#include "trainer/pm_data.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/prompt_id.h"

namespace rlhf {

absl::StatusOr<PmData> MakePmData(
    const std::vector<v1::Comparison>& comparisons, const Tokenizer& tokenizer,
    const ChatFormat& format, const v1::PreferenceConfig& config) {
  PmData data;
  for (const v1::Comparison& comparison : comparisons) {
    if (comparison.choice() != v1::A_BETTER &&
        comparison.choice() != v1::B_BETTER) {
      continue;
    }
    const auto encode = [&](const std::string& response)
        -> absl::StatusOr<std::vector<int32_t>> {
      const auto text =
          format.RenderScored(comparison.prompt().messages(), response);
      if (!text.ok()) {
        return WithContext(text.status(),
                           absl::StrCat("comparison ", comparison.seq()));
      }
      return tokenizer.Encode(*text);
    };
    RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> a,
                          encode(comparison.response_a()));
    RLHF_ASSIGN_OR_RETURN(std::vector<int32_t> b,
                          encode(comparison.response_b()));
    const auto limit = static_cast<size_t>(config.max_tokens());
    if (a.size() > limit || b.size() > limit) {
      ++data.num_too_long;
      continue;
    }
    if (comparison.choice() == v1::B_BETTER) std::swap(a, b);
    const bool held_out =
        HashFraction(comparison.prompt().prompt_id(), "held-out comparisons") <
        config.held_out_share();
    (held_out ? data.held_out : data.training)
        .push_back({.chosen = std::move(a), .rejected = std::move(b)});
  }
  return data;
}

}  // namespace rlhf
