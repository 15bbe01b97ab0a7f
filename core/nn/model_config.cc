#include "core/nn/model_config.h"

#include <array>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr std::array kFamilies = {"Llama", "Mistral", "Qwen2", "Qwen3"};
constexpr char kCausal[] = "ForCausalLM";
constexpr char kClassifier[] = "ForSequenceClassification";
constexpr int64_t kMaxDimension = int64_t{1} << 24;

// Reads fields of one JSON object and remembers the first thing wrong.
class FieldReader {
 public:
  FieldReader(const Json& json, const std::string& path)
      : json_(json), path_(path) {}

  bool Has(const char* key) const {
    const auto it = json_.find(key);
    return it != json_.end() && !it->is_null();
  }

  int64_t Dimension(const char* key, std::optional<int64_t> fallback = {}) {
    if (!Has(key) && fallback.has_value()) return *fallback;
    const auto it = json_.find(key);
    if (it == json_.end() || !it->is_number_integer()) {
      return Fail(key, "must be an integer");
    }
    const int64_t value = it->get<int64_t>();
    if (value < 1 || value > kMaxDimension) {
      return Fail(key,
                  absl::StrCat("is ", value, ", wanted 1 to ", kMaxDimension));
    }
    return value;
  }

  double Number(const char* key, double fallback) {
    if (!Has(key)) return fallback;
    const Json& value = json_.at(key);
    if (!value.is_number() || !(value.get<double>() > 0)) {
      Fail(key, "must be a positive number");
      return fallback;
    }
    return value.get<double>();
  }

  bool Bool(const char* key, bool fallback) {
    if (!Has(key)) return fallback;
    const Json& value = json_.at(key);
    if (!value.is_boolean()) {
      Fail(key, "must be true or false");
      return fallback;
    }
    return value.get<bool>();
  }

  int64_t Fail(const char* key, absl::string_view problem) {
    if (status_.ok()) {
      status_ = absl::InvalidArgumentError(
          absl::StrCat(path_, ": \"", key, "\" ", problem));
    }
    return 1;
  }

  const absl::Status& status() const { return status_; }

 private:
  const Json& json_;
  const std::string& path_;
  absl::Status status_;
};

struct Architecture {
  std::string family;
  ModelConfig::Head head;
};

absl::StatusOr<Architecture> ParseArchitecture(const Json& json,
                                               const std::string& path) {
  const auto it = json.find("architectures");
  if (it == json.end() || !it->is_array() || it->size() != 1 ||
      !it->front().is_string()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path,
                     ": \"architectures\" must be a list of one name, such as "
                     "[\"LlamaForCausalLM\"]"));
  }
  const std::string name = it->front().get<std::string>();
  for (const char* family : kFamilies) {
    if (name == absl::StrCat(family, kCausal)) {
      return Architecture{family, ModelConfig::Head::kLanguageModel};
    }
    if (name == absl::StrCat(family, kClassifier)) {
      return Architecture{family, ModelConfig::Head::kScore};
    }
  }
  return absl::UnimplementedError(absl::StrCat(
      path, ": unknown architecture \"", name,
      "\"; known are Llama, Mistral, Qwen2 and Qwen3, each ForCausalLM or "
      "ForSequenceClassification"));
}

absl::Status ParseRope(const Json& json, const std::string& path,
                       ModelConfig& config) {
  // transformers 5 writes everything into rope_parameters; older versions write
  // rope_theta at the top and rope_scaling beside it.
  Json rope = Json::object();
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto it = json.find(key);
    if (it != json.end() && it->is_object()) rope = *it;
  }
  FieldReader top(json, path), inner(rope, path);
  config.rope_theta =
      inner.Number("rope_theta", top.Number("rope_theta", config.rope_theta));
  std::string type = "default";
  for (const char* key : {"type", "rope_type"}) {
    const auto it = rope.find(key);
    if (it != rope.end() && it->is_string()) type = it->get<std::string>();
  }
  if (type == "llama3") {
    Llama3RopeScaling scaling;
    scaling.factor = inner.Number("factor", scaling.factor);
    scaling.low_freq_factor =
        inner.Number("low_freq_factor", scaling.low_freq_factor);
    scaling.high_freq_factor =
        inner.Number("high_freq_factor", scaling.high_freq_factor);
    scaling.original_max_position = inner.Number(
        "original_max_position_embeddings", scaling.original_max_position);
    config.rope_scaling = scaling;
  } else if (type != "default") {
    return absl::UnimplementedError(
        absl::StrCat(path, ": rotary scaling \"", type,
                     "\" is not known; known are \"default\" and \"llama3\""));
  }
  RLHF_RETURN_IF_ERROR(top.status());
  return inner.status();
}

absl::Status RefuseVariants(const Json& json, const std::string& path) {
  FieldReader reader(json, path);
  if (json.contains("quantization_config")) {
    return absl::UnimplementedError(
        absl::StrCat(path,
                     ": quantised weights are not supported; save the model as "
                     "float32, float16 or bfloat16"));
  }
  const auto window = json.find("sliding_window");
  const bool uses_window = reader.Bool("use_sliding_window", true);
  if (window != json.end() && window->is_number() && uses_window) {
    return absl::UnimplementedError(
        absl::StrCat(path,
                     ": sliding-window attention is not supported "
                     "(\"sliding_window\" is set)"));
  }
  const auto activation = json.find("hidden_act");
  if (activation != json.end() && *activation != Json("silu")) {
    return absl::UnimplementedError(absl::StrCat(path, ": \"hidden_act\" is ",
                                                 activation->dump(),
                                                 "; known is \"silu\""));
  }
  return reader.status();
}

// None is fine, for a model that never ends by itself; anything else than a
// number or a list of them is not, since every response would run to its limit.
absl::StatusOr<std::vector<int32_t>> ParseEos(const Json& json,
                                              const std::string& path) {
  std::vector<int32_t> ids;
  const auto it = json.find("eos_token_id");
  if (it == json.end() || it->is_null()) return ids;
  for (const Json& id : it->is_array() ? *it : Json::array({*it})) {
    if (!id.is_number_integer() || id < 0 ||
        id > std::numeric_limits<int32_t>::max()) {
      return absl::InvalidArgumentError(
          absl::StrCat(path, ": \"eos_token_id\" is ", it->dump(),
                       "; wanted a token id or a list of them"));
    }
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

}  // namespace

absl::StatusOr<ModelConfig> ParseModelConfig(const Json& json,
                                             const std::string& path) {
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": not a JSON object"));
  }
  RLHF_ASSIGN_OR_RETURN(const Architecture architecture,
                        ParseArchitecture(json, path));
  RLHF_RETURN_IF_ERROR(RefuseVariants(json, path));
  const std::string& family = architecture.family;
  FieldReader reader(json, path);
  ModelConfig config;
  config.head = architecture.head;
  config.vocab_size = reader.Dimension("vocab_size");
  config.hidden_size = reader.Dimension("hidden_size");
  config.intermediate_size = reader.Dimension("intermediate_size");
  config.num_layers = reader.Dimension("num_hidden_layers");
  config.num_heads = reader.Dimension("num_attention_heads");
  config.num_kv_heads =
      reader.Dimension("num_key_value_heads", config.num_heads);
  config.head_dim = reader.Dimension(
      "head_dim", std::max<int64_t>(1, config.hidden_size / config.num_heads));
  config.max_positions = reader.Dimension("max_position_embeddings", 2048);
  config.rms_norm_eps = reader.Number("rms_norm_eps", 1e-6);
  config.tie_word_embeddings = reader.Bool("tie_word_embeddings", false);
  const bool attention_bias = reader.Bool("attention_bias", false);
  config.qkv_bias = family == "Qwen2" || attention_bias;
  config.output_bias = family != "Qwen2" && attention_bias;
  config.mlp_bias = reader.Bool("mlp_bias", false);
  config.qk_norm = family == "Qwen3";
  RLHF_ASSIGN_OR_RETURN(config.eos_token_ids, ParseEos(json, path));
  config.raw = json;
  RLHF_RETURN_IF_ERROR(reader.status());
  RLHF_RETURN_IF_ERROR(ParseRope(json, path, config));
  if (config.num_heads % config.num_kv_heads != 0 || config.head_dim % 2 != 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": ", config.num_heads, " heads cannot share ",
        config.num_kv_heads, " key-value heads of width ", config.head_dim));
  }
  const auto labels = json.find("num_labels");
  const auto names = json.find("id2label");
  const bool other_labels =
      (labels != json.end() && *labels != 1) ||
      (names != json.end() && names->is_object() && names->size() != 1);
  if (config.head == ModelConfig::Head::kScore && other_labels) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": a preference model has one label, this one has more"));
  }
  return config;
}

ModelConfig AsPreferenceModel(const ModelConfig& config, int64_t num_layers,
                              std::optional<int32_t> pad_token_id) {
  ModelConfig pm = config;
  pm.head = ModelConfig::Head::kScore;
  pm.num_layers = num_layers;
  pm.raw["num_hidden_layers"] = num_layers;
  pm.raw["num_labels"] = 1;
  pm.raw["id2label"] = Json{{"0", "LABEL_0"}};
  pm.raw["label2id"] = Json{{"LABEL_0", 0}};
  pm.raw["pad_token_id"] =
      pad_token_id.has_value() ? Json(*pad_token_id) : Json(nullptr);
  // A list of per-layer kinds, if there is one, must not be longer than the
  // layers that are kept.
  const auto types = pm.raw.find("layer_types");
  if (types != pm.raw.end() && types->is_array()) {
    while (static_cast<int64_t>(types->size()) > num_layers) {
      types->erase(types->size() - 1);
    }
  }
  std::string name = pm.raw["architectures"][0].get<std::string>();
  if (absl::EndsWith(name, kCausal)) {
    name = absl::StrCat(absl::StripSuffix(name, kCausal), kClassifier);
  }
  pm.raw["architectures"] = Json::array({name});
  return pm;
}

}  // namespace rlhf
