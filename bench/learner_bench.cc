// One update's forward and backward pass, against the rate of this machine's
// matrix products.
//
//   learner_bench MODEL_DIR [SEQUENCES TOKENS RESPONSE_TOKENS REPETITIONS]
//
// Prints one JSON line per measurement, with minimum, median and maximum.
#include <ATen/ops/matmul.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/nn/model_directory.h"
#include "core/nn/token_logprob.h"
#include "trainer/response_forward.h"

namespace rlhf {
namespace {

struct Shape {
  int64_t sequences = 16;
  int64_t tokens = 96;
  int64_t response_tokens = 32;
  int repetitions = 5;
};

// Seconds of each repetition, sorted; one more before them is not counted.
std::vector<double> Repeat(int repetitions,
                           const std::function<void()>& function) {
  function();
  std::vector<double> seconds;
  for (int i = 0; i < repetitions; ++i) {
    const Stopwatch stopwatch;
    function();
    seconds.push_back(stopwatch.seconds());
  }
  std::sort(seconds.begin(), seconds.end());
  return seconds;
}

// `work` in GFLOP.
void Print(const std::string& name, const std::vector<double>& seconds,
           double work) {
  const double median = seconds[seconds.size() / 2];
  std::printf(
      "{\"name\": \"%s\", \"s_min\": %.4f, \"s_median\": %.4f, \"s_max\": "
      "%.4f, \"gflop_per_s\": %.1f}\n",
      name.c_str(), seconds.front(), median, seconds.back(), work / median);
}

void MeasureMatrixProduct(at::ScalarType dtype, int repetitions) {
  constexpr int64_t kSize = 2048;
  const auto a = at::randn({kSize, kSize}).to(dtype);
  const auto b = at::randn({kSize, kSize}).to(dtype);
  Print(absl::StrCat("gemm_2048_", at::toString(dtype)),
        Repeat(repetitions, [&] { at::matmul(a, b); }),
        2e-9 * kSize * kSize * kSize);
}

// Dialogues with arbitrary tokens, of which no two begin alike.
struct Dialogues {
  // All of `shape`, or, if `mixed`, with prompts and responses of a quarter to
  // all of its lengths. bench/peers/torch_update.py has the same.
  Dialogues(const Shape& shape, bool mixed, int64_t vocab_size) {
    const int64_t prompt = shape.tokens - shape.response_tokens;
    const auto length = [&](int64_t s, int64_t full, int64_t stride) {
      if (!mixed) return full;
      const int64_t rank = s * stride % shape.sequences;
      return full / 4 + full * 3 / 4 * rank / (shape.sequences - 1);
    };
    for (int64_t s = 0; s < shape.sequences; ++s) {
      std::vector<int32_t> ids;
      const int64_t prompt_length = length(s, prompt, 7);
      const int64_t response_length = length(s, shape.response_tokens, 11);
      for (int64_t t = 0; t < prompt_length + response_length; ++t) {
        ids.push_back(
            static_cast<int32_t>((s * 7919 + t * 104729 + 17) % vocab_size));
      }
      prompts.emplace_back(ids.begin(), ids.begin() + prompt_length);
      responses.emplace_back(ids.begin() + prompt_length, ids.end());
      num_tokens += static_cast<double>(prompt_length + response_length - 1);
      num_targets += static_cast<double>(response_length);
    }
    for (size_t s = 0; s < prompts.size(); ++s) {
      views.push_back(
          {.prompt_ids = &prompts[s], .response_ids = &responses[s]});
    }
  }

  std::vector<std::vector<int32_t>> prompts, responses;
  std::vector<PromptResponse> views;
  // That the trunk, and the vocabulary projection, must see.
  double num_tokens = 0, num_targets = 0;
};

void MeasureUpdate(const Transformer& model, at::ScalarType dtype, bool mixed,
                   const Shape& shape) {
  double trunk = 0;
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
    trunk += static_cast<double>(p.tensor.numel());
  }
  const auto head = static_cast<double>(model.head_weight().numel());
  trunk -= head;
  const Dialogues dialogues(shape, mixed, model.config().vocab_size);
  // Two operations per weight and token forward, four more backward.
  const double forward_work =
      2e-9 * (trunk * dialogues.num_tokens + head * dialogues.num_targets);
  const std::string which =
      absl::StrCat(at::toString(dtype), mixed ? "_mixed" : "_alike");
  const auto forward = [&] {
    const ResponseStates states = ForwardResponses(model, dialogues.views);
    return ComputeTokenLogprobs(model, states.hidden_ND, states.target_N, 1.0)
        .logprob_N;
  };
  Print("forward_backward_" + which,
        Repeat(shape.repetitions,
               [&] {
                 forward().sum().backward();
                 for (const NamedTensor& p : model.parameters()) {
                   p.tensor.mutable_grad().reset();
                 }
               }),
        3 * forward_work);
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(false);
  }
  Print("forward_" + which, Repeat(shape.repetitions, forward), forward_work);
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  if (argc != 2 && argc != 6) {
    std::fprintf(stderr,
                 "usage: learner_bench MODEL_DIR [SEQUENCES TOKENS "
                 "RESPONSE_TOKENS REPETITIONS]\n");
    return 2;
  }
  rlhf::Shape shape;
  if (argc == 6) {
    shape = {.sequences = std::atoll(argv[2]),
             .tokens = std::atoll(argv[3]),
             .response_tokens = std::atoll(argv[4]),
             .repetitions = std::atoi(argv[5])};
  }
  auto model = rlhf::LoadModel(argv[1]);
  if (!model.ok()) {
    std::fprintf(stderr, "%s\n", model.status().ToString().c_str());
    return 2;
  }
  for (const at::ScalarType dtype : {at::kFloat, at::kBFloat16}) {
    rlhf::MeasureMatrixProduct(dtype, shape.repetitions);
    const rlhf::Transformer copy = model->Cast(dtype);
    for (const bool mixed : {false, true}) {
      rlhf::MeasureUpdate(copy, dtype, mixed, shape);
      rlhf::MeasureMatrixProduct(dtype, shape.repetitions);
    }
  }
}
