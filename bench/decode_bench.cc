// How fast the generation engine prefills and decodes.
//
//   decode_bench MODEL_DIR [BATCH [float32|bfloat16|int8|plain [REPETITIONS]]]
//
// Prompts of 64 tokens, 64 new ones each, temperature 1 with log-probabilities;
// "plain" is float32 as LibTorch's operations do it, not packed. Prints
// medians.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "actor/generation_engine.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/nn/model_directory.h"
#include "core/nn/sampler.h"

namespace rlhf {
namespace {

constexpr int kPrompt = 64, kNew = 64;

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

std::shared_ptr<const Transformer> Ready(const std::string& directory,
                                         const std::string& format) {
  auto model = LoadModel(directory);
  RLHF_CHECK(model.ok()) << model.status();
  if (format == "plain") {
    return std::make_shared<const Transformer>(*std::move(model));
  }
  return format == "bfloat16" ? ForGeneration(model->Cast(at::kBFloat16))
                              : ForGeneration(*std::move(model),
                                              /*int8=*/format == "int8");
}

// No two prompts begin alike.
EngineRequest RequestOf(int number, int repetition, int64_t vocab_size) {
  EngineRequest request = {
      .id = static_cast<uint64_t>(number),
      .prompt_ids = {},
      .stream = SampleStream(1, absl::StrCat(number), repetition),
      .max_new_tokens = kNew};
  for (int i = 0; i < kPrompt; ++i) {
    request.prompt_ids.push_back(static_cast<int32_t>(
        3 + (number * 131 + i * 17 + repetition * 7) % (vocab_size - 3)));
  }
  return request;
}

int Main(int argc, char** argv) {
  int batch = 16, repetitions = 5;
  const std::string format = argc > 3 ? argv[3] : "float32";
  if (argc < 2 || (argc > 2 && !absl::SimpleAtoi(argv[2], &batch)) ||
      (argc > 4 && !absl::SimpleAtoi(argv[4], &repetitions))) {
    std::fprintf(stderr,
                 "decode_bench MODEL_DIR [BATCH [float32|bfloat16|int8|plain "
                 "[REPETITIONS]]]\n");
    return 1;
  }
  const auto model = Ready(argv[1], format);
  GenerationEngine engine(model, {.max_batch = batch,
                                  .max_tokens = kPrompt + kNew,
                                  .max_prefill_tokens = 1 << 20});
  std::vector<double> prefill, decode;
  for (int repetition = 0; repetition <= repetitions; ++repetition) {
    for (int i = 0; i < batch; ++i) {
      RLHF_CHECK(
          engine.Add(RequestOf(i, repetition, model->config().vocab_size))
              .ok());
    }
    const Stopwatch watch;
    RLHF_CHECK(engine.Step().ok());
    const double first = watch.seconds();
    while (!engine.idle()) RLHF_CHECK(engine.Step().ok());
    if (repetition == 0) continue;  // warms up
    prefill.push_back(first);
    decode.push_back(watch.seconds() - first);
  }
  std::printf(
      "batch %d, %s: prefill %.0f tokens/s, decode %.1f tokens/s, %.2f ms a "
      "step\n",
      batch, format.c_str(), batch * kPrompt / Median(prefill),
      batch * (kNew - 1) / Median(decode), 1000 * Median(decode) / (kNew - 1));
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
