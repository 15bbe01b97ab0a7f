#include "core/nn/model_directory.h"

#include <ATen/ops/zeros.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "core/nn/safetensors.h"

namespace rlhf {
namespace {

constexpr const char* kTokenizerFiles[] = {
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "chat_template.jinja", "generation_config.json"};

absl::Status NoWeights(const std::string& directory) {
  for (const std::string& name : ListDirectory(directory)) {
    if (absl::EndsWith(name, ".bin") || absl::EndsWith(name, ".pt") ||
        absl::EndsWith(name, ".pth") || absl::EndsWith(name, ".ckpt")) {
      return absl::InvalidArgumentError(absl::StrCat(
          directory, "/", name,
          ": this is a pickle (a PyTorch checkpoint), "
          "which can run code when loaded, so it is never read; convert it "
          "with save_pretrained(..., safe_serialization=True)"));
    }
  }
  return absl::NotFoundError(
      absl::StrCat(directory,
                   ": no weights found; wanted model.safetensors or "
                   "model.safetensors.index.json"));
}

// The weight files of a directory, as paths.
absl::StatusOr<std::vector<std::string>> WeightFiles(
    const std::string& directory) {
  const std::string single = directory + "/model.safetensors";
  if (FileExists(single)) return std::vector<std::string>{single};
  const std::string index_path = directory + "/model.safetensors.index.json";
  if (!FileExists(index_path)) return NoWeights(directory);
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(index_path));
  const absl::StatusOr<Json> index = ParseJson(text);
  if (!index.ok()) return WithContext(index.status(), index_path);
  const auto map = index->find("weight_map");
  if (map == index->end() || !map->is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(index_path, ": \"weight_map\" is missing"));
  }
  std::set<std::string> names;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string() || absl::StrContains(file.get<std::string>(), "/")) {
      return absl::InvalidArgumentError(
          absl::StrCat(index_path, ": \"weight_map\" of \"", tensor,
                       "\" must name a file of the same folder"));
    }
    names.insert(file.get<std::string>());
  }
  std::vector<std::string> paths;
  for (const std::string& name : names) {
    paths.push_back(absl::StrCat(directory, "/", name));
    if (!FileExists(paths.back())) {
      return absl::NotFoundError(absl::StrCat(
          paths.back(), ": missing; ", index_path, " lists it as a shard"));
    }
  }
  return paths;
}

}  // namespace

absl::StatusOr<ModelConfig> LoadModelConfig(const std::string& directory) {
  if (!FileExists(directory)) {
    return absl::NotFoundError(
        absl::StrCat(directory,
                     ": no such model directory; `make setup` imports the "
                     "default model to models/SmolLM2-135M-Instruct"));
  }
  const std::string path = directory + "/config.json";
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const absl::StatusOr<Json> json = ParseJson(text);
  if (!json.ok()) return WithContext(json.status(), path);
  return ParseModelConfig(*json, path);
}

absl::StatusOr<Transformer> LoadModel(const std::string& directory) {
  RLHF_ASSIGN_OR_RETURN(const ModelConfig config, LoadModelConfig(directory));
  return LoadModelAs(config, directory);
}

absl::StatusOr<Transformer> LoadModelAs(const ModelConfig& config,
                                        const std::string& directory) {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> paths,
                        WeightFiles(directory));
  NamedTensors weights;
  for (const std::string& path : paths) {
    RLHF_ASSIGN_OR_RETURN(NamedTensors part, ReadSafetensors(path));
    for (NamedTensor& entry : part) weights.push_back(std::move(entry));
  }
  RLHF_ASSIGN_OR_RETURN(const ModelConfig own, LoadModelConfig(directory));
  if (config.head == ModelConfig::Head::kScore &&
      own.head == ModelConfig::Head::kLanguageModel) {
    weights.push_back({"score.weight", at::zeros({1, config.hidden_size})});
  }
  absl::StatusOr<Transformer> model =
      Transformer::Create(config, std::move(weights));
  if (!model.ok()) return WithContext(model.status(), directory);
  return model;
}

absl::Status SaveModel(const Transformer& model,
                       const std::string& tokenizer_source,
                       const std::string& directory) {
  Json config = model.config().raw;
  config["dtype"] = "float32";
  config.erase("torch_dtype");
  RLHF_RETURN_IF_ERROR(
      WriteFileAtomically(directory + "/config.json", config.dump(2) + "\n"));
  RLHF_RETURN_IF_ERROR(
      WriteSafetensors(directory + "/model.safetensors", model.parameters()));
  for (const char* name : kTokenizerFiles) {
    const std::string source = absl::StrCat(tokenizer_source, "/", name);
    if (!FileExists(source)) continue;
    RLHF_ASSIGN_OR_RETURN(const std::string contents, ReadFile(source));
    RLHF_RETURN_IF_ERROR(
        WriteFileAtomically(absl::StrCat(directory, "/", name), contents));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
