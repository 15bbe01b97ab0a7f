#include "trainer/pm_data.h"

#include <utility>

#include "core/base/log.h"
#include "core/text/prompt_id.h"

namespace rlhf {

PmData MakePmData(const std::vector<v1::Comparison>& comparisons,
                  const Tokenizer& tokenizer, const ChatFormat& format,
                  const v1::PreferenceConfig& config) {
  PmData data;
  for (const v1::Comparison& comparison : comparisons) {
    if (comparison.choice() != v1::A_BETTER &&
        comparison.choice() != v1::B_BETTER) {
      continue;
    }
    const auto& messages = comparison.prompt().messages();
    const auto text_a = format.RenderScored(messages, comparison.response_a());
    const auto text_b = format.RenderScored(messages, comparison.response_b());
    if (!text_a.ok() || !text_b.ok()) {
      // The log is append-only: one such record must not end every refresh.
      RLHF_LOG(WARNING) << "comparison " << comparison.seq()
                        << " is left out: " << text_a.status();
      ++data.num_unusable;
      continue;
    }
    std::vector<int32_t> a = tokenizer.Encode(*text_a);
    std::vector<int32_t> b = tokenizer.Encode(*text_b);
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
