#include "cli/report/samples.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "core/base/status_macros.h"
#include "trainer/experience/rollout_journal.h"

namespace rlhf {
namespace {

// The rollout in the middle by reward; without a reward or with one that is no
// number it is no candidate. Null without any.
v1::Rollout* MedianRollout(std::vector<v1::Rollout>& rollouts) {
  std::vector<v1::Rollout*> scored;
  for (v1::Rollout& rollout : rollouts) {
    if (rollout.has_reward() && !std::isnan(rollout.reward())) {
      scored.push_back(&rollout);
    }
  }
  if (scored.empty()) return nullptr;
  const auto middle =
      scored.begin() + static_cast<ptrdiff_t>((scored.size() - 1) / 2);
  std::nth_element(scored.begin(), middle, scored.end(),
                   [](const v1::Rollout* a, const v1::Rollout* b) {
                     return a->reward() < b->reward();
                   });
  return *middle;
}

}  // namespace

absl::StatusOr<std::vector<UpdateSample>> ReadSamples(
    const std::string& run_dir, const v1::Report& report) {
  std::vector<UpdateSample> samples;
  const int last = report.updates_size() - 1;
  const int count = std::min(kMostSamples, last + 1);
  for (int i = 0; i < count; ++i) {
    const int64_t update =
        report.updates(count == 1 ? 0 : i * last / (count - 1)).update();
    auto journal = RolloutJournal::Read(JournalPath(run_dir, update));
    if (absl::IsNotFound(journal.status())) continue;
    RLHF_RETURN_IF_ERROR(journal.status());
    v1::Rollout* const rollout = MedianRollout(journal->rollouts);
    if (rollout == nullptr) continue;
    rollout->clear_prompt_ids();
    rollout->clear_response_ids();
    rollout->clear_behaviour_logprobs();
    samples.push_back({.update = update, .rollout = std::move(*rollout)});
  }
  return samples;
}

}  // namespace rlhf
