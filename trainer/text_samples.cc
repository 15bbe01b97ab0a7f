#include "trainer/text_samples.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/text/byte_level.h"

namespace rlhf {
namespace {

constexpr int64_t kEvery = 10;
constexpr size_t kMaxBytes = 2000;

std::string Cut(const std::string& text) {
  const absl::string_view kept = CutUtf8(text, kMaxBytes);
  return absl::StrCat(kept, kept.size() < text.size() ? " …" : "");
}

void Add(const char* choice, const v1::Rollout& rollout,
         v1::UpdateReport& report) {
  v1::TextSample& sample = *report.add_samples();
  sample.set_choice(choice);
  sample.set_rollout_id(rollout.rollout_id());
  sample.set_prompt(Cut(DialogueText(rollout.prompt())));
  sample.set_response(Cut(rollout.response_text()));
  sample.set_reward(rollout.reward());
}

}  // namespace

std::string DialogueText(const v1::Prompt& prompt) {
  std::string text;
  for (const v1::Message& message : prompt.messages()) {
    absl::StrAppend(&text, text.empty() ? "" : "\n", message.role(), ": ",
                    message.content());
  }
  return text;
}

bool ShowsTextSamples(int64_t update) { return update % kEvery == 1; }

void AddTextSamples(const Batch& batch, v1::UpdateReport& report) {
  if (!ShowsTextSamples(batch.header.update()) || batch.rollouts.empty()) {
    return;
  }
  const auto by_reward = [](const v1::Rollout& a, const v1::Rollout& b) {
    return a.reward() < b.reward();
  };
  const auto begin = batch.rollouts.begin(), end = batch.rollouts.end();
  Add("first", *begin, report);
  Add("best", *std::max_element(begin, end, by_reward), report);
  Add("worst", *std::min_element(begin, end, by_reward), report);
}

}  // namespace rlhf
