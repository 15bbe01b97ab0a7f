#include "feedback/pm_opinions.h"

#include <algorithm>
#include <cstddef>

#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

// Comparisons, and edits, that are asked about.
constexpr size_t kPmSample = 200;

// That the edit is better than what was edited, which is learned too.
v1::Comparison EditAsComparison(const v1::Comparison& edited) {
  v1::Comparison claim = edited;
  claim.set_response_a(edited.edited_response());
  claim.set_response_b(edited.choice() == v1::A_BETTER ? edited.response_a()
                                                       : edited.response_b());
  claim.set_choice(v1::A_BETTER);
  return claim;
}

// Some of `all`, from everywhere in it.
std::vector<const v1::Comparison*> SampleOf(
    const std::vector<const v1::Comparison*>& all) {
  std::vector<const v1::Comparison*> sample;
  const size_t count = std::min(kPmSample, all.size());
  for (size_t i = 0; i < count; ++i) {
    sample.push_back(all[i * all.size() / count]);
  }
  return sample;
}

}  // namespace

PmOpinions AskPm(const PmMargins& margins,
                 const std::vector<const v1::Comparison*>& comparisons) {
  if (margins == nullptr) return {.why_none = "no PM is asked"};
  std::vector<const v1::Comparison*> decided, edited;
  for (const v1::Comparison* const comparison : comparisons) {
    if (!IsDecided(*comparison)) continue;
    decided.push_back(comparison);
    if (!comparison->edited_response().empty()) edited.push_back(comparison);
  }
  if (decided.empty()) return {};
  std::vector<const v1::Comparison*> asked = SampleOf(decided);
  const size_t num_choices = asked.size();
  std::vector<v1::Comparison> claims;
  for (const v1::Comparison* const one : SampleOf(edited)) {
    claims.push_back(EditAsComparison(*one));
  }
  for (const v1::Comparison& claim : claims) asked.push_back(&claim);
  const auto answer = margins(asked);
  if (!answer.ok()) return {.why_none = std::string(answer.status().message())};
  PmOpinions opinions;
  for (size_t i = 0; i < asked.size() && i < answer->size(); ++i) {
    (i < num_choices ? opinions.margins
                     : opinions.edit_margins)[asked[i]->comparison_id()] =
        (*answer)[i];
  }
  return opinions;
}

std::optional<double> MarginOf(const std::map<std::string, double>& margins,
                               const std::string& comparison_id) {
  const auto found = margins.find(comparison_id);
  return found == margins.end() ? std::nullopt
                                : std::optional<double>(found->second);
}

}  // namespace rlhf
