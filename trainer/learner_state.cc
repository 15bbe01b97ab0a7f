#include "trainer/learner_state.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/proto_json.h"
#include "core/base/status_macros.h"
#include "core/base/version.h"
#include "core/config/run_config.h"
#include "core/nn/safetensors.h"
#include "core/nn/torch_call.h"
#include "trainer/parameter_hash.h"

namespace rlhf {
namespace {

constexpr char kStateFile[] = "/state.json";
constexpr char kConfigFile[] = "/config.txtpb";
constexpr char kPolicyFile[] = "/policy.safetensors";
constexpr char kOptimizerFile[] = "/optimizer.safetensors";

absl::StatusOr<NamedTensors> Clone(const NamedTensors& tensors) {
  NamedTensors copies;
  RLHF_RETURN_IF_ERROR(TorchCall("copy the learner's state", [&] {
    for (const NamedTensor& t : tensors) {
      copies.push_back({t.name, t.tensor.detach().to(
                                    at::kCPU, t.tensor.scalar_type(),
                                    /*non_blocking=*/false, /*copy=*/true)});
    }
  }));
  return copies;
}

Json StateJson(const LearnerCut& cut, const RunIdentity& identity) {
  const int64_t rollouts =
      cut.update * identity.config.ppo().rollouts_per_update();
  Json state = {{"update", cut.update},
                {"kl_coefficient", cut.kl_coefficient},
                {"kl_order", cut.kl_order},
                {"seed", identity.config.seed()},
                // The place in the prompt schedule and in the learning rate's.
                {"next_rollout", rollouts},
                {"pm",
                 {{"version", cut.batch.pm().version()},
                  {"digest", cut.batch.pm().digest()}}},
                {"reward_anchor",
                 {{"mean", cut.batch.reward_mean()},
                  {"scale", cut.batch.reward_scale()}}},
                {"comparisons",
                 {{"last_seq", cut.comparisons.last_seq()},
                  {"chain_head", cut.comparisons.chain_head()}}},
                {"world_size", cut.world_size},
                {"binary_version", kRlhfVersion},
                {"initial_policy_hash", identity.initial_policy_hash},
                {"prompts_hash", identity.prompts_hash},
                {"config_sha256", Sha256Hex(ResolvedText(identity.config))}};
  if (cut.reward.has_value()) state["reward_anchored_mean"] = *cut.reward;
  if (cut.batch.has_settings()) {
    state["settings"] = Json::parse(ProtoToJsonLine(cut.batch.settings()));
  }
  return state;
}

// Reads what StateJson made. Throws Json::exception.
LearnerCut CutOf(const Json& state) {
  LearnerCut cut;
  const Json& pm = state.at("pm");
  const Json& anchor = state.at("reward_anchor");
  const Json& comparisons = state.at("comparisons");
  cut.update = state.at("update").get<int64_t>();
  cut.kl_coefficient = state.at("kl_coefficient").get<double>();
  // Older versions of rlhf took no orders.
  cut.kl_order = state.value("kl_order", int64_t{0});
  cut.world_size = state.at("world_size").get<int>();
  cut.batch.set_update(cut.update);
  cut.batch.mutable_pm()->set_version(pm.at("version").get<int64_t>());
  cut.batch.mutable_pm()->set_digest(pm.at("digest").get<std::string>());
  cut.batch.set_reward_mean(anchor.at("mean").get<double>());
  cut.batch.set_reward_scale(anchor.at("scale").get<double>());
  cut.comparisons.set_last_seq(comparisons.at("last_seq").get<int64_t>());
  cut.comparisons.set_chain_head(
      comparisons.at("chain_head").get<std::string>());
  if (state.contains("reward_anchored_mean")) {
    cut.reward = state.at("reward_anchored_mean").get<double>();
  }
  return cut;
}

// The settings that StateJson wrote, if it did.
absl::Status ReadSettings(const Json& state, v1::BatchHeader& batch) {
  if (!state.contains("settings")) return absl::OkStatus();
  return JsonToProto(DumpJson(state["settings"]), batch.mutable_settings());
}

// Calls `read(state)` on the state of a checkpoint.
template <typename F>
absl::Status ReadState(const std::string& directory, F&& read) {
  const std::string path = directory + kStateFile;
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::StatusOr<Json> state = ParseJson(text);
  if (!state.ok()) return WithContext(state.status(), path);
  try {
    read(*state);
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ": ", error.what()));
  }
  return absl::OkStatus();
}

// Whether a line of DiffConfigs is about a field that the numbers follow from.
// The initial policy and the prompts are known by their hashes.
bool ShapesTheRun(absl::string_view difference) {
  const absl::string_view field = difference.substr(0, difference.find(": "));
  if (field == "ppo.num_updates") return false;
  return field == "seed" || field == "learner.dtype" ||
         absl::StartsWith(field, "sampling.") ||
         absl::StartsWith(field, "ppo.");
}

}  // namespace

RunIdentity IdentifyRun(const v1::RunConfig& config,
                        const NamedTensors& initial_policy,
                        const std::vector<v1::Prompt>& training_prompts) {
  std::string ids;
  for (const v1::Prompt& prompt : training_prompts) {
    absl::StrAppend(&ids, prompt.prompt_id(), "\n");
  }
  return {.config = config,
          .initial_policy_hash = ParameterHash(initial_policy),
          .prompts_hash = absl::StrCat(absl::Hex(Xxh3(ids), absl::kZeroPad16))};
}

absl::StatusOr<LearnerState> GatherLearner(const PpoTrainer& trainer) {
  LearnerState state = {.kl_coefficient = trainer.kl_coefficient(),
                        .kl_order = trainer.kl_order()};
  RLHF_ASSIGN_OR_RETURN(state.parameters, trainer.GatherParameters());
  RLHF_ASSIGN_OR_RETURN(state.optimizer, trainer.GatherOptimizer());
  return state;
}

absl::StatusOr<LearnerSnapshot> CopyLearner(const LearnerState& state,
                                            LearnerCut cut) {
  LearnerSnapshot snapshot;
  RLHF_ASSIGN_OR_RETURN(snapshot.parameters, Clone(state.parameters));
  RLHF_ASSIGN_OR_RETURN(snapshot.optimizer, Clone(state.optimizer));
  cut.kl_coefficient = state.kl_coefficient;
  cut.kl_order = state.kl_order;
  snapshot.cut = std::move(cut);
  return snapshot;
}

absl::Status WriteLearner(const LearnerSnapshot& snapshot,
                          const RunIdentity& identity,
                          const std::string& directory) {
  RLHF_RETURN_IF_ERROR(
      WriteSafetensors(directory + kPolicyFile, snapshot.parameters));
  RLHF_RETURN_IF_ERROR(
      WriteSafetensors(directory + kOptimizerFile, snapshot.optimizer));
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(directory + kConfigFile,
                                           ResolvedText(identity.config)));
  return WriteFileAtomically(directory + kStateFile,
                             StateJson(snapshot.cut, identity).dump(2) + "\n");
}

absl::Status CheckResumable(const std::string& directory,
                            const RunIdentity& identity) {
  RLHF_ASSIGN_OR_RETURN(const v1::RunConfig saved,
                        LoadRunConfig(directory + kConfigFile, {}));
  std::vector<std::string> problems = DiffConfigs(saved, identity.config);
  std::erase_if(problems,
                [](const std::string& line) { return !ShapesTheRun(line); });
  RLHF_RETURN_IF_ERROR(ReadState(directory, [&](const Json& state) {
    if (state.at("initial_policy_hash") != identity.initial_policy_hash) {
      problems.push_back(
          absl::StrCat("initial_policy: ", identity.config.initial_policy(),
                       " holds other weights than the run began with"));
    }
    if (state.at("prompts_hash") != identity.prompts_hash) {
      problems.push_back(absl::StrCat(
          "prompts: those to train on (", identity.config.prompts(),
          ", held_out_prompt_share) are others than the run began with"));
    }
  }));
  if (problems.empty()) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      "cannot go on from ", directory, ", which belongs to another run:\n  ",
      absl::StrJoin(problems, "\n  "),
      "\nundo the change, or give the new run another name"));
}

absl::StatusOr<LearnerCut> LoadLearner(const std::string& directory,
                                       PpoTrainer& trainer) {
  LearnerCut cut;
  absl::Status settings;
  RLHF_RETURN_IF_ERROR(ReadState(directory, [&](const Json& state) {
    cut = CutOf(state);
    settings = ReadSettings(state, cut.batch);
  }));
  if (!settings.ok()) return WithContext(settings, directory + kStateFile);
  RLHF_ASSIGN_OR_RETURN(const NamedTensors parameters,
                        ReadSafetensors(directory + kPolicyFile));
  RLHF_ASSIGN_OR_RETURN(const NamedTensors optimizer,
                        ReadSafetensors(directory + kOptimizerFile));
  const absl::Status status = trainer.Import(parameters, optimizer);
  if (!status.ok()) return WithContext(status, directory);
  trainer.RestoreKlCoefficient(cut.kl_coefficient, cut.kl_order);
  return cut;
}

absl::Status CheckHistory(const std::string& run_directory, int64_t done) {
  std::set<int64_t> journals;
  for (const std::string& name : ListDirectory(run_directory + "/rollouts")) {
    int64_t update = 0;
    if (absl::EndsWith(name, ".pb") &&
        absl::SimpleAtoi(name.substr(0, name.find('.')), &update)) {
      journals.insert(update);
    }
  }
  int64_t last = journals.empty() ? 0 : *journals.rbegin();
  // Without the file there is nothing to know from it.
  const std::string metrics =
      ReadFile(run_directory + "/metrics.jsonl").value_or("");
  for (const absl::string_view line :
       absl::StrSplit(metrics, '\n', absl::SkipEmpty())) {
    v1::UpdateReport report;
    // A line that a crash cut short tells of nothing that counts.
    if (!JsonToProto(std::string(line), &report).ok()) continue;
    last = std::max(last, report.update());
  }
  std::vector<int64_t> missing;
  for (int64_t update = done + 1; update <= last; ++update) {
    if (!journals.contains(update)) missing.push_back(update);
  }
  if (!missing.empty()) {
    const int64_t first = missing.front();
    const bool all_named = missing.size() <= 5;
    if (!all_named) missing.resize(5);
    return absl::FailedPreconditionError(absl::StrCat(
        run_directory, " knows of ", last, " updates, but ",
        done > 0 ? absl::StrCat("its newest checkpoint is of update ", done)
                 : "it has no checkpoint",
        " and the journals in rollouts/ of updates ",
        absl::StrJoin(missing, ", "), all_named ? "" : ", …",
        " are missing; restore them, or to sample anew from update ", first,
        " move the later journals and metrics.jsonl away"));
  }
  if (done == 0 && last > 0) {
    RLHF_LOG(WARNING)
        << "no checkpoint in " << run_directory
        << ": starting from the initial policy and training again "
           "on the journals of updates 1 to "
        << last << ", which are all there";
  }
  return absl::OkStatus();
}

}  // namespace rlhf
