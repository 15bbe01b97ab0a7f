#include "trainer/pm_data.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/comparisons/choice.h"
#include "core/text/prompt_id.h"

namespace rlhf {
namespace {

// "import:FILE" is one source, whatever the file: slices are few.
std::string SourceOf(const v1::Comparison& comparison) {
  const std::string& source = comparison.source();
  return source.empty() ? "unknown" : source.substr(0, source.find(':'));
}

std::string PolicyVersionOf(const v1::Comparison& comparison) {
  const int64_t newer =
      std::max(comparison.policy_version_a(), comparison.policy_version_b());
  return newer < 0 ? "unknown" : absl::StrCat(newer);
}

std::map<std::string, std::string> SlicesOf(const v1::Comparison& comparison) {
  int64_t turns = 0;
  for (const v1::Message& message : comparison.prompt().messages()) {
    turns += message.role() == "user" ? 1 : 0;
  }
  std::map<std::string, std::string> slices = {
      {"source", SourceOf(comparison)},
      {"strength", absl::StrCat(comparison.strength())},
      {"turn", absl::StrCat(turns)},
      {"policy_version", PolicyVersionOf(comparison)}};
  // Only where the sides were seen: what was imported has none.
  if (SourceOf(comparison) != "import") {
    const bool left =
        (comparison.choice() == v1::A_BETTER) != comparison.shown_swapped();
    slices["chosen_side"] = left ? "left" : "right";
  }
  return slices;
}

// The loss weight that `config` gives to what comes from `source`.
double LossWeight(const v1::PreferenceConfig& config,
                  const std::string& source) {
  for (const v1::PmSource& one : config.sources()) {
    if (ComesFrom(source, one.from())) return one.loss_weight();
  }
  return 1;
}

}  // namespace

bool ComesFrom(
    const std::string& source,
    const google::protobuf::RepeatedPtrField<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) {
                       return absl::StartsWith(source, prefix);
                     });
}

PmData MakePmData(const std::vector<v1::Comparison>& comparisons,
                  const Tokenizer& tokenizer, const ChatFormat& format,
                  const v1::PreferenceConfig& config) {
  PmData data;
  for (const v1::Comparison& comparison : comparisons) {
    if (!IsTrainable(comparison)) continue;
    const auto& messages = comparison.prompt().messages();
    const auto text_a = format.RenderScored(messages, comparison.response_a());
    const auto text_b = format.RenderScored(messages, comparison.response_b());
    if (!text_a.ok() || !text_b.ok()) {
      // The log is append-only: one such record must not end every refresh.
      RLHF_LOG(WARNING) << "comparison " << comparison.seq() << " is left out: "
                        << (text_a.ok() ? text_b.status() : text_a.status());
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
    // What comes from outside may know no strength, and says 1.
    if (!held_out && comparison.strength() < config.min_strength() &&
        SourceOf(comparison) != "import") {
      continue;
    }
    (held_out ? data.held_out : data.training)
        .push_back({.chosen = std::move(a),
                    .rejected = std::move(b),
                    .slices = SlicesOf(comparison),
                    .loss_weight = LossWeight(config, comparison.source()),
                    .prompt_id = comparison.prompt().prompt_id(),
                    .source = comparison.source(),
                    .seq = comparison.seq()});
  }
  return data;
}

}  // namespace rlhf
