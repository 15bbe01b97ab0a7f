#include "trainer/pm_data.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
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

// Empty for what names no person: a file that tells no worker.
std::string WorkerOf(const v1::Comparison& comparison) {
  return comparison.worker_id() == comparison.source() ? ""
                                                       : comparison.worker_id();
}

// By who wrote the responses: "base" is the initial policy, later ones are put
// together so that each band has as many versions as all before it. What knows
// no policy is told by where it comes from.
std::string TrancheOf(const v1::Comparison& comparison) {
  const int64_t newer =
      std::max(comparison.policy_version_a(), comparison.policy_version_b());
  if (newer < 0) {
    return comparison.source().empty() ? "unknown" : comparison.source();
  }
  if (newer == 0) return "base";
  int64_t first = 1;
  while (2 * first <= newer) first *= 2;
  return first == 1 ? "online v1"
                    : absl::StrCat("online v", first, "-", 2 * first - 1);
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
  if (!comparison.worker_group().empty()) {
    slices["worker_group"] = comparison.worker_group();
  }
  if (comparison.pm_version() > 0) {
    slices["pm_version"] = absl::StrCat(comparison.pm_version());
  }
  // Helpful tasks are all others: a slice of them would be "source" again in a
  // run without red-teaming.
  if (comparison.task_kind() == v1::RED_TEAM) slices["task"] = "red-team";
  return slices;
}

// 1 if the chosen response was shown on the left, -1 on the right, 0 unknown.
int ChosenSide(const v1::Comparison& comparison) {
  if (!KnowsSides(comparison)) return 0;
  const bool a = comparison.choice() == v1::A_BETTER;
  return a != comparison.shown_swapped() ? 1 : -1;
}

// One response that is better than another; not owned.
struct Preference {
  const std::string* better = nullptr;
  const std::string* worse = nullptr;
  bool is_edit = false;
};

std::vector<Preference> PreferencesOf(const v1::Comparison& comparison) {
  std::vector<Preference> found;
  if (!MayTeach(comparison)) return found;
  const std::string& a = comparison.response_a();
  const std::string& b = comparison.response_b();
  if (comparison.choice() == v1::A_BETTER) found.push_back({&a, &b});
  if (comparison.choice() == v1::B_BETTER) found.push_back({&b, &a});
  const std::string& edited = comparison.edited_response();
  if (edited.empty() || comparison.choice() == v1::SKIPPED) return found;
  for (const std::string* original : {&a, &b}) {
    if (edited != *original) found.push_back({&edited, original, true});
  }
  return found;
}

PmExample ExampleOf(const v1::Comparison& comparison, bool is_edit,
                    double loss_weight) {
  PmExample example = {.chosen = {},
                       .rejected = {},
                       .slices = SlicesOf(comparison),
                       .loss_weight = loss_weight,
                       .prompt_id = comparison.prompt().prompt_id(),
                       .source = comparison.source(),
                       .seq = comparison.seq(),
                       .worker = WorkerOf(comparison),
                       .tranche = TrancheOf(comparison)};
  if (is_edit) {
    example.is_edit = true;
    example.slices["strength"] = "edit";
    return example;
  }
  example.chosen_side = ChosenSide(comparison);
  if (example.chosen_side != 0) {
    example.slices["chosen_side"] = example.chosen_side > 0 ? "left" : "right";
  }
  return example;
}

// The loss weight that `config` gives to what comes from `source`.
double LossWeight(const v1::PreferenceConfig& config,
                  const std::string& source) {
  for (const v1::PmSource& one : config.sources()) {
    if (ComesFrom(source, one.from())) return one.loss_weight();
  }
  return 1;
}

// What comes from outside may know no strength, and says 1.
bool IsTooWeak(const v1::Comparison& comparison, const Preference& preference,
               const v1::PreferenceConfig& config) {
  return !preference.is_edit && !IsImported(comparison) &&
         comparison.strength() < config.min_strength();
}

// Adds the pair to the side that its prompt is on, unless it is too long or too
// weak. Errors: those of the chat format.
absl::Status AddPair(const v1::Comparison& comparison,
                     const Preference& preference, const Tokenizer& tokenizer,
                     const ChatFormat& format,
                     const v1::PreferenceConfig& config, PmData& data) {
  const auto& messages = comparison.prompt().messages();
  PmExample example = ExampleOf(comparison, preference.is_edit,
                                LossWeight(config, comparison.source()));
  RLHF_ASSIGN_OR_RETURN(const std::string better,
                        format.RenderScored(messages, *preference.better));
  RLHF_ASSIGN_OR_RETURN(const std::string worse,
                        format.RenderScored(messages, *preference.worse));
  example.chosen = tokenizer.Encode(better);
  example.rejected = tokenizer.Encode(worse);
  const auto limit = static_cast<size_t>(config.max_tokens());
  if (example.chosen.size() > limit || example.rejected.size() > limit) {
    ++data.num_too_long;
    return absl::OkStatus();
  }
  const bool held_out = IsHeldOut(example.prompt_id, config);
  if (held_out) {
    data.held_out.push_back(std::move(example));
  } else if (!IsTooWeak(comparison, preference, config)) {
    data.training.push_back(std::move(example));
  }
  return absl::OkStatus();
}

}  // namespace

bool IsHeldOut(const std::string& prompt_id,
               const v1::PreferenceConfig& config) {
  return HashFraction(prompt_id, "held-out comparisons") <
         config.held_out_share();
}

bool Teaches(const v1::Comparison& comparison,
             const v1::PreferenceConfig& config) {
  if (IsGold(comparison) || comparison.extra() ||
      IsHeldOut(comparison.prompt().prompt_id(), config)) {
    return false;
  }
  for (const v1::PmSource& one : config.sources()) {
    if (!ComesFrom(comparison.source(), one.from())) continue;
    if (one.weight() == 0) return false;
    break;
  }
  if (comparison.choice() == v1::RETRACTED) return true;
  const std::vector<Preference> preferences = PreferencesOf(comparison);
  return std::any_of(preferences.begin(), preferences.end(),
                     [&](const Preference& preference) {
                       return !IsTooWeak(comparison, preference, config);
                     });
}

bool ComesFrom(
    const std::string& source,
    const google::protobuf::RepeatedPtrField<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) {
                       return absl::StartsWith(source, prefix);
                     });
}

void AddToPmData(const v1::Comparison& comparison, const Tokenizer& tokenizer,
                 const ChatFormat& format, const v1::PreferenceConfig& config,
                 PmData& data) {
  const std::vector<Preference> preferences = PreferencesOf(comparison);
  if (preferences.empty()) ++data.num_undecided;
  for (const Preference& preference : preferences) {
    const absl::Status added =
        AddPair(comparison, preference, tokenizer, format, config, data);
    if (added.ok()) continue;
    // The log is append-only: one such record must not end every refresh.
    RLHF_LOG(WARNING) << "comparison " << comparison.seq()
                      << " is left out: " << added;
    ++data.num_unusable;
    break;
  }
}

PmData MakePmData(const std::vector<v1::Comparison>& comparisons,
                  const Tokenizer& tokenizer, const ChatFormat& format,
                  const v1::PreferenceConfig& config) {
  PmData data;
  for (const v1::Comparison& comparison : comparisons) {
    AddToPmData(comparison, tokenizer, format, config, data);
  }
  return data;
}

}  // namespace rlhf
