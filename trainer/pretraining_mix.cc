#include "trainer/pretraining_mix.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::StatusOr<PretrainingMix> PretrainingMix::Load(const std::string& path,
                                                    const Tokenizer& tokenizer,
                                                    int64_t max_tokens) {
  RLHF_CHECK(max_tokens >= 2);
  RLHF_ASSIGN_OR_RETURN(const std::string file, ReadFile(path));
  PretrainingMix mix;
  int64_t number = 0;
  for (const absl::string_view line : absl::StrSplit(file, '\n')) {
    ++number;
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const std::string where = absl::StrCat(path, ":", number);
    const absl::StatusOr<Json> json = ParseJson(line);
    if (!json.ok()) return WithContext(json.status(), where);
    const absl::StatusOr<std::string> text = GetString(*json, "text");
    if (!text.ok()) return WithContext(text.status(), where);
    const std::vector<int32_t> ids = tokenizer.Encode(*text);
    for (auto begin = ids.begin(); ids.end() - begin >= 2;) {
      const auto end = begin + std::min<int64_t>(ids.end() - begin, max_tokens);
      mix.sequences_.push_back({{*begin}, {begin + 1, end}});
      begin = end;
    }
  }
  if (mix.sequences_.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no text of two tokens; wanted lines like {\"text\": \"…\"}"));
  }
  return mix;
}

std::vector<PromptResponse> PretrainingMix::Draw(uint64_t key,
                                                 int64_t count) const {
  std::vector<PromptResponse> drawn;
  for (int64_t i = 0; i < count; ++i) {
    const Sequence& sequence =
        sequences_[MixHash(key, static_cast<uint64_t>(i)) % sequences_.size()];
    drawn.push_back(
        {.prompt_ids = &sequence.first, .response_ids = &sequence.rest});
  }
  return drawn;
}

}  // namespace rlhf
