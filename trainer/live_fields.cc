#include "trainer/live_fields.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/config/overrides.h"
#include "core/config/run_config.h"

namespace rlhf {
namespace {

constexpr char kRateField[] = "ppo.learning_rate";

// "harmless" of "preference.objectives.harmless.weight"; empty if `field` is
// no such.
std::string ObjectiveOf(absl::string_view field) {
  const bool is_one = absl::ConsumePrefix(&field, "preference.objectives.") &&
                      absl::ConsumeSuffix(&field, ".weight");
  return is_one ? std::string(field) : "";
}

absl::StatusOr<v1::PmObjective*> FindObjective(const std::string& name,
                                               v1::RunConfig& config) {
  auto& objectives = *config.mutable_preference()->mutable_objectives();
  std::vector<std::string> names;
  for (v1::PmObjective& objective : objectives) {
    if (objective.name() == name && objectives.size() > 1) return &objective;
    names.push_back(objective.name());
  }
  return absl::InvalidArgumentError(
      names.size() > 1
          ? absl::StrCat("preference.objectives has no \"", name,
                         "\"; wanted one of ", absl::StrJoin(names, ", "))
          : "preference.objectives: the reward is not mixed of several PMs, so "
            "that there are no weights to change");
}

// Why `field`, which is none of ours, cannot be set.
absl::Status Refusal(const std::string& field, v1::RunConfig config) {
  const auto known = ApplyOverride(field + "=1", &config);
  const absl::string_view message = known.status().message();
  return absl::InvalidArgumentError(
      absl::StrCat(field, ": ",
                   known.ok() || message.find("unknown field") == message.npos
                       ? "is fixed for a run"
                       : message.substr(message.find("unknown field")),
                   "; while a run goes on these can be set: ", kKlField, ", ",
                   kRateField, ", preference.objectives.NAME.weight"));
}

// Calls `use(value)` on what `field` is in `config`, a reference to it.
template <typename F>
absl::Status Visit(const std::string& field, v1::RunConfig& config, F&& use) {
  if (const std::string name = ObjectiveOf(field); !name.empty()) {
    RLHF_ASSIGN_OR_RETURN(v1::PmObjective* const objective,
                          FindObjective(name, config));
    double value = objective->weight();
    use(value);
    objective->set_weight(value);
    return absl::OkStatus();
  }
  v1::PpoConfig& ppo = *config.mutable_ppo();
  if (field == kKlField) {
    double value = ppo.kl_coefficient();
    use(value);
    ppo.set_kl_coefficient(value);
    return absl::OkStatus();
  }
  if (field != kRateField) return Refusal(field, config);
  double value = ppo.learning_rate();
  use(value);
  ppo.set_learning_rate(value);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<double> LiveValue(const v1::RunConfig& config,
                                 const std::string& field) {
  v1::RunConfig copy = config;
  double found = 0;
  RLHF_RETURN_IF_ERROR(
      Visit(field, copy, [&found](double& value) { found = value; }));
  return found;
}

absl::Status CheckLiveValue(const v1::RunConfig& config,
                            const std::string& field, double value) {
  v1::RunConfig changed = config;
  RLHF_RETURN_IF_ERROR(
      Visit(field, changed, [value](double& its) { its = value; }));
  return CheckRunConfig(changed);
}

void PutLiveValue(const std::string& field, double value, int64_t seq,
                  v1::LiveSettings& settings) {
  settings.set_last_order(seq);
  if (field == kKlField) {
    settings.set_kl_coefficient(value);
    settings.set_kl_order(seq);
  } else if (field == kRateField) {
    settings.set_learning_rate(value);
  } else {
    const std::string name = ObjectiveOf(field);
    RLHF_CHECK(!name.empty()) << field;
    auto& objectives = *settings.mutable_objectives();
    auto it = std::find_if(objectives.begin(), objectives.end(),
                           [&](const auto& o) { return o.name() == name; });
    v1::ObjectiveWeight& objective =
        it != objectives.end() ? *it : *objectives.Add();
    objective.set_name(name);
    objective.set_weight(value);
  }
}

}  // namespace rlhf
