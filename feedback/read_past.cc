#include "feedback/read_past.h"

#include <utility>

#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"

namespace rlhf {

std::optional<PastResponse> PastResponseOf(
    const v1::Comparison& comparison, const std::set<std::string>& prompt_ids) {
  if (!IsJudgedHere(comparison) || IsGold(comparison) ||
      comparison.choice() == v1::RETRACTED ||
      !prompt_ids.contains(comparison.prompt().prompt_id())) {
    return std::nullopt;
  }
  const bool a_is_newer =
      comparison.policy_version_a() > comparison.policy_version_b();
  VersionedResponse response =
      a_is_newer ? VersionedResponse{comparison.response_a(),
                                     comparison.policy_version_a()}
                 : VersionedResponse{comparison.response_b(),
                                     comparison.policy_version_b()};
  if (response.policy_version < 0) return std::nullopt;
  return PastResponse{comparison.prompt(), std::move(response)};
}

absl::StatusOr<PastResponses> ReadPast(
    const PreferenceStore& store, absl::Span<const v1::Prompt> prompts,
    absl::Span<const v1::UpdateReport> updates) {
  std::set<std::string> prompt_ids;
  for (const v1::Prompt& prompt : prompts)
    prompt_ids.insert(prompt.prompt_id());
  PastResponses past;
  past.Saw(updates);
  RLHF_RETURN_IF_ERROR(store.ForEach(1, store.GetTotals().num_comparisons,
                                     [&](const v1::Comparison& comparison) {
                                       auto response = PastResponseOf(
                                           comparison, prompt_ids);
                                       if (response.has_value())
                                         past.Add(*std::move(response));
                                       return absl::OkStatus();
                                     }));
  return past;
}

}  // namespace rlhf
