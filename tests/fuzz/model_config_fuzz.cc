// config.json of a model: core/nn/model_config.h.
#include "core/base/check.h"
#include "core/base/json.h"
#include "core/nn/model_config.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

RLHF_FUZZ_TARGET(model_config) {
  const auto json = ParseJson(input);
  if (!json.ok()) return;
  const auto config = ParseModelConfig(*json, "config.json");
  CheckExplained(config.status(), {absl::StatusCode::kInvalidArgument,
                                   absl::StatusCode::kUnimplemented});
  if (!config.ok()) return;
  RLHF_CHECK(config->num_heads % config->num_kv_heads == 0);
  RLHF_CHECK(config->vocab_size > 0 && config->hidden_size > 0);
  // What a preference model made of it says of itself can be read.
  const ModelConfig pm = AsPreferenceModel(*config, 1, 0);
  const auto again = ParseModelConfig(pm.raw, "config.json");
  RLHF_CHECK(again.ok()) << again.status() << " " << DumpJson(pm.raw);
  RLHF_CHECK(again->head == ModelConfig::Head::kScore);
  RLHF_CHECK(again->num_layers == 1);
}

}  // namespace
}  // namespace rlhf
