#include "trainer/parallel/plan.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace rlhf {
namespace {

constexpr int64_t kFloat = 4;  // bytes

struct Shape {
  const char* name;
  int64_t vocab, hidden, inner, layers, heads, kv_heads;
  bool tied;
};

// From their config.json.
constexpr std::array<Shape, 6> kShapes = {{
    {"135M", 49152, 576, 1536, 30, 9, 3, true},
    {"360M", 49152, 960, 2560, 32, 15, 5, true},
    {"1.7B", 49152, 2048, 8192, 24, 32, 32, true},
    {"7B", 32000, 4096, 11008, 32, 32, 32, false},
    {"13B", 32000, 5120, 13824, 40, 40, 40, false},
    {"70B", 32000, 8192, 28672, 80, 64, 8, false},
}};

int64_t DivideUp(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Elements of a block that one rank keeps.
int64_t Share(int64_t elements, int64_t ranks) {
  return DivideUp(elements, ranks);
}

// Calls `f(elements, dtype_bytes, times)` for each block, of which there are
// `times`. The value head is float32 always.
template <typename F>
void ForEachBlock(const BlockSizes& sizes, int64_t dtype_bytes, F&& f) {
  f(sizes.layer, dtype_bytes, sizes.num_layers);
  f(sizes.outer, dtype_bytes, int64_t{1});
  if (sizes.value_head > 0) f(sizes.value_head, kFloat, int64_t{1});
}

// Elements of all that one rank keeps of a model.
int64_t KeptElements(const BlockSizes& sizes, const PlanInput& input) {
  if (!input.sharded) return sizes.total();
  int64_t kept = 0;
  ForEachBlock(sizes, 0, [&](int64_t elements, int64_t, int64_t times) {
    kept += times * Share(elements, input.ranks);
  });
  return kept;
}

// What a rank sends to gather the blocks: layers so many times, the rest so
// many times.
int64_t GatherBytes(const BlockSizes& sizes, const PlanInput& input,
                    int64_t dtype_bytes, int64_t layer_times,
                    int64_t outer_times) {
  const auto sent = [&](int64_t elements, int64_t bytes) {
    return (input.ranks - 1) * Share(elements, input.ranks) * bytes;
  };
  int64_t total =
      layer_times * sizes.num_layers * sent(sizes.layer, dtype_bytes) +
      outer_times * sent(sizes.outer, dtype_bytes);
  if (sizes.value_head > 0) {
    total += outer_times * sent(sizes.value_head, kFloat);
  }
  return total;
}

// The policy, and the critic if it is a model.
std::vector<BlockSizes> TrainedBlocks(const PlanInput& input) {
  std::vector<BlockSizes> trained = {
      BlocksOf(input.policy, !input.critic.has_value(), input.lora_rank)};
  if (input.critic.has_value()) {
    trained.push_back(BlocksOf(*input.critic, false, input.lora_rank));
  }
  return trained;
}

int64_t PassingThrough(const BlockSizes& sizes, const PlanInput& input) {
  const int64_t dtype = input.dtype_bytes;
  // This layer and the next; a gradient, and two in transfer with what came in.
  const int64_t of_layers = sizes.layer * (3 * dtype + 2 * 2 * kFloat);
  const int64_t of_rest = sizes.outer * (dtype + 2 * kFloat);
  return sizes.outer * dtype + std::max(of_layers, of_rest);
}

int64_t Activations(const ModelConfig& config, const PlanInput& input) {
  const bool recompute = input.sharded || input.recompute_activations;
  const int64_t per_layer = ActivationBytesPerToken(config, input.dtype_bytes);
  const int64_t layers = recompute ? per_layer + config.num_layers *
                                                     config.hidden_size *
                                                     input.dtype_bytes
                                   : per_layer * config.num_layers;
  const int64_t rollout = input.work.prompt_tokens + input.work.response_tokens;
  // A rollout is never cut; a rank may have less than a micro-batch.
  const int64_t tokens = std::max(
      rollout,
      std::min(input.micro_batch_tokens, input.work.rollouts * rollout));
  // Logits live in slices of 128 rows, three at a time.
  return layers * tokens + 3 * kFloat * 128 * config.vocab_size;
}

// Operations of one forward pass of a model's trunk over this rank's rollouts.
double TrunkFlops(const ModelConfig& config, const UpdateWork& work) {
  const auto length =
      static_cast<double>(work.prompt_tokens + work.response_tokens);
  const double tokens = static_cast<double>(work.rollouts) * length;
  const BlockSizes sizes = BlocksOf(config, false);
  const auto weights = static_cast<double>(sizes.num_layers * sizes.layer);
  // Causal: half of the scores and of their products with the values.
  const double attention =
      static_cast<double>(config.num_layers * config.num_heads *
                          config.head_dim) *
      2 * length;
  return tokens * (2 * weights + attention);
}

}  // namespace

BlockSizes BlocksOf(const ModelConfig& c, bool with_value_head,
                    int64_t lora_rank) {
  const int64_t width = c.hidden_size, inner = c.intermediate_size;
  const int64_t query = c.num_heads * c.head_dim;
  const int64_t kv = c.num_kv_heads * c.head_dim;
  BlockSizes sizes = {.num_layers = c.num_layers};
  sizes.layer =
      2 * width + 2 * width * query + 2 * width * kv + 3 * width * inner;
  if (c.qkv_bias) sizes.layer += query + 2 * kv;
  if (c.output_bias) sizes.layer += width;
  if (c.mlp_bias) sizes.layer += 2 * inner + width;
  if (c.qk_norm) sizes.layer += 2 * c.head_dim;
  sizes.outer = c.vocab_size * width + width;
  if (c.head == ModelConfig::Head::kScore) {
    sizes.outer += width;
  } else if (!c.tie_word_embeddings) {
    sizes.outer += c.vocab_size * width;
  }
  if (with_value_head) sizes.value_head = width + 1;
  if (lora_rank > 0) {
    // Rows and columns of the seven matrices.
    sizes.adapters =
        c.num_layers * lora_rank *
        (2 * (width + query) + 2 * (width + kv) + 3 * (width + inner));
    if (c.head == ModelConfig::Head::kScore) sizes.adapters += width;
  }
  return sizes;
}

absl::StatusOr<ModelConfig> NamedShape(absl::string_view name) {
  std::vector<std::string> names;
  for (const Shape& shape : kShapes) {
    names.push_back(shape.name);
    if (name != shape.name) continue;
    ModelConfig config;
    config.vocab_size = shape.vocab;
    config.hidden_size = shape.hidden;
    config.intermediate_size = shape.inner;
    config.num_layers = shape.layers;
    config.num_heads = shape.heads;
    config.num_kv_heads = shape.kv_heads;
    config.head_dim = shape.hidden / shape.heads;
    config.tie_word_embeddings = shape.tied;
    return config;
  }
  return absl::NotFoundError(absl::StrCat("no shape \"", name, "\"; there are ",
                                          absl::StrJoin(names, ", ")));
}

// The inputs of both norms and what they make of them; rotated queries and
// keys, values, and what attention makes of them, by segment and joined; gate,
// up and their product.
int64_t ActivationBytesPerToken(const ModelConfig& c, int64_t dtype_bytes) {
  const int64_t heads = c.num_heads * c.head_dim;
  const int64_t kv = c.num_kv_heads * c.head_dim;
  return dtype_bytes *
         (4 * c.hidden_size + 3 * heads + 2 * kv + 3 * c.intermediate_size);
}

UpdateWork WorkOf(const v1::PpoConfig& config, int64_t micro_batch_tokens,
                  int64_t ranks, int64_t prompt_tokens,
                  int64_t response_tokens) {
  const int64_t batch = config.rollouts_per_update();
  const int64_t minibatches =
      std::min<int64_t>(config.num_minibatches(), batch);
  const int64_t together = std::max<int64_t>(
      1, micro_batch_tokens / (prompt_tokens + response_tokens));
  UpdateWork work = {.rollouts = DivideUp(batch, ranks),
                     .prompt_tokens = prompt_tokens,
                     .response_tokens = response_tokens,
                     .epochs = config.num_epochs()};
  work.steps = work.epochs * minibatches;
  work.evaluation_passes = DivideUp(work.rollouts, together);
  work.passes_per_step =
      DivideUp(DivideUp(DivideUp(batch, minibatches), ranks), together);
  return work;
}

int64_t PlanMemory::total() const {
  return weights + gradients + optimizer + working_copy + passing_through +
         reference + activations + publishing;
}

PlanMemory PlannedMemory(const PlanInput& input) {
  PlanMemory memory;
  for (const BlockSizes& sizes : TrainedBlocks(input)) {
    const int64_t kept = KeptElements(sizes, input);
    const int64_t trained = input.lora_rank > 0 ? sizes.trained() : kept;
    memory.weights += kFloat * kept;
    memory.gradients += kFloat * trained;
    memory.optimizer += 2 * kFloat * trained;
    if (input.lora_rank > 0) {
      memory.working_copy += input.dtype_bytes * sizes.total();
    } else if (input.sharded) {
      memory.passing_through =
          std::max(memory.passing_through, PassingThrough(sizes, input));
    } else if (input.dtype_bytes != kFloat) {
      memory.working_copy += 2 * input.dtype_bytes * sizes.total();
    }
  }
  // In float32 it is what the policy's adapters adapt.
  if (input.lora_rank == 0 || input.dtype_bytes != kFloat) {
    memory.reference =
        input.dtype_bytes * KeptElements(BlocksOf(input.policy, false), input);
  }
  // One model's at a time.
  memory.activations = Activations(input.policy, input);
  if (input.critic.has_value()) {
    memory.activations =
        std::max(memory.activations, Activations(*input.critic, input));
  }
  const int64_t whole = kFloat * BlocksOf(input.policy, false).total();
  memory.publishing = input.sharded ? 2 * whole : whole;
  return memory;
}

PlanTraffic PlannedTraffic(const PlanInput& input) {
  PlanTraffic traffic;
  if (input.ranks == 1) return traffic;
  const UpdateWork& work = input.work;
  const int64_t training = work.steps * work.passes_per_step;
  const std::vector<BlockSizes> trained = TrainedBlocks(input);
  if (!input.sharded) {
    for (const BlockSizes& sizes : trained) {
      traffic.all_reduce += work.steps * 2 * kFloat * sizes.trained() *
                            (input.ranks - 1) / input.ranks;
    }
    return traffic;
  }
  // What belongs to no layer stays for the whole evaluation; a pass of training
  // ends with it. Layers come once forward, and once backward.
  for (const BlockSizes& sizes : trained) {
    traffic.all_gather +=
        GatherBytes(sizes, input, input.dtype_bytes,
                    work.evaluation_passes + 2 * training, 1 + training);
    traffic.reduce_scatter +=
        GatherBytes(sizes, input, kFloat, training, training);
  }
  traffic.all_gather +=
      GatherBytes(BlocksOf(input.policy, false), input, input.dtype_bytes,
                  work.evaluation_passes, 1);
  traffic.publish_gather = GatherBytes(trained[0], input, kFloat, 1, 1);
  return traffic;
}

double PlannedFlops(const PlanInput& input) {
  const UpdateWork& work = input.work;
  const bool recompute = input.sharded || input.recompute_activations;
  const double forward = TrunkFlops(input.policy, work);
  const double head =
      2.0 *
      static_cast<double>(input.policy.vocab_size * input.policy.hidden_size *
                          work.rollouts * work.response_tokens);
  // Forward, twice that backward, and what is computed again: the logits
  // always.
  const double trunk_times = recompute ? 4 : 3;
  const auto epochs = static_cast<double>(work.epochs);
  double flops = (2 + epochs * trunk_times) * forward + (2 + epochs * 4) * head;
  if (input.critic.has_value()) {
    flops += (1 + epochs * trunk_times) * TrunkFlops(*input.critic, work);
  }
  return flops;
}

}  // namespace rlhf
