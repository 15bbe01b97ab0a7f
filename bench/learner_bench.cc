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

// Dialogues of one length with arbitrary tokens.
struct Dialogues {
  Dialogues(const Shape& shape, int64_t vocab_size) {
    for (int64_t s = 0; s < shape.sequences; ++s) {
      std::vector<int32_t>& prompt = prompts.emplace_back();
      std::vector<int32_t>& response = responses.emplace_back();
      for (int64_t t = 0; t < shape.tokens; ++t) {
        const auto id =
            static_cast<int32_t>((s * 7919 + t * 104729 + 17) % vocab_size);
        (t < shape.tokens - shape.response_tokens ? prompt : response)
            .push_back(id);
      }
    }
    for (size_t s = 0; s < prompts.size(); ++s) {
      views.push_back(
          {.prompt_ids = &prompts[s], .response_ids = &responses[s]});
    }
  }

  std::vector<std::vector<int32_t>> prompts, responses;
  std::vector<PromptResponse> views;
};

void MeasureUpdate(const Transformer& model, at::ScalarType dtype,
                   const Shape& shape) {
  double trunk = 0;
  for (const NamedTensor& p : model.parameters()) {
    p.tensor.set_requires_grad(true);
    trunk += static_cast<double>(p.tensor.numel());
  }
  const auto head = static_cast<double>(model.head_weight().numel());
  trunk -= head;
  const Dialogues dialogues(shape, model.config().vocab_size);
  const auto tokens = static_cast<double>(shape.sequences * (shape.tokens - 1));
  const auto targets =
      static_cast<double>(shape.sequences * shape.response_tokens);
  // Two operations per weight and token forward, four more backward.
  const double forward_work = 2e-9 * (trunk * tokens + head * targets);
  const auto forward = [&] {
    const ResponseStates states = ForwardResponses(model, dialogues.views);
    return ComputeTokenLogprobs(model, states.hidden_ND, states.target_N, 1.0)
        .logprob_N;
  };
  Print("forward_backward",
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
  Print(absl::StrCat("forward_", at::toString(dtype)),
        Repeat(shape.repetitions, forward), forward_work);
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
    rlhf::MeasureUpdate(model->Cast(dtype), dtype, shape);
    rlhf::MeasureMatrixProduct(dtype, shape.repetitions);
  }
}
