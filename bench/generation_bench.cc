// Our side of bench/generation_bench.py: the generation engine, kept warm
// between repetitions.
//
//   generation_bench MODEL_DIR float32|bfloat16|int8|plain
//
// "plain" is float32 as LibTorch's operations do it, not packed.
// Each line of input is one repetition: {"prompts": FILE, "lengths": [64, …],
// "places": 16, "mode": "continuous"}. FILE holds a JSON list of token lists,
// of which the first so many are sampled as there are lengths; responses have
// these lengths, whatever tokens are drawn, at temperature 1 and with
// log-probabilities. Modes:
//
//   continuous     the engine as it is: a place that is free is filled
//   static         groups of `places`; the next begins when one is done
//   static_padded  the same, and every place is computed until the longest
//                  response of its group is done, as in a batch that is a
//                  matrix
//
// The answer has seconds until the first tokens and in all, and the tokens that
// were asked for.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "actor/generation_engine.h"
#include "bench/line_json.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"
#include "core/nn/sampler.h"

namespace rlhf {
namespace {

struct Job {
  std::vector<std::vector<int32_t>> prompts;
  std::vector<int> lengths;
  int places = 0;
  std::string mode;
};

// The model as an actor of that dtype samples from it.
absl::StatusOr<std::shared_ptr<const Transformer>> LoadAs(
    const std::string& directory, const std::string& dtype) {
  RLHF_ASSIGN_OR_RETURN(Transformer model, LoadModel(directory));
  if (dtype == "float32") return ForGeneration(std::move(model));
  if (dtype == "bfloat16") return ForGeneration(model.Cast(at::kBFloat16));
  if (dtype == "int8") return ForGeneration(std::move(model), /*int8=*/true);
  if (dtype == "plain") {
    return std::make_shared<const Transformer>(std::move(model));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "\"", dtype, "\" is no dtype; wanted float32, bfloat16, int8 or plain"));
}

absl::StatusOr<Job> ParseJob(const Json& request) {
  Job job;
  RLHF_ASSIGN_OR_RETURN(const std::string path, GetString(request, "prompts"));
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  RLHF_ASSIGN_OR_RETURN(const Json prompts, ParseJson(text));
  RLHF_ASSIGN_OR_RETURN(job.mode, GetString(request, "mode"));
  if (job.mode != "continuous" && job.mode != "static" &&
      job.mode != "static_padded") {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", job.mode,
        "\" is no mode; wanted continuous, static or static_padded"));
  }
  job.lengths = request.at("lengths").get<std::vector<int>>();
  job.places = request.at("places").get<int>();
  if (prompts.size() < job.lengths.size() || job.lengths.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has ", prompts.size(), " prompts; wanted ",
                     job.lengths.size(), ", and at least one"));
  }
  for (size_t i = 0; i < job.lengths.size(); ++i) {
    job.prompts.push_back(prompts[i].get<std::vector<int32_t>>());
  }
  return job;
}

int64_t LongestOf(const Job& job) {
  size_t prompt = 0;
  for (const auto& ids : job.prompts) prompt = std::max(prompt, ids.size());
  return static_cast<int64_t>(prompt) +
         *std::max_element(job.lengths.begin(), job.lengths.end());
}

class Bench {
 public:
  explicit Bench(std::shared_ptr<const Transformer> model)
      : model_(std::move(model)) {}

  absl::StatusOr<Json> Repeat(const Json& request) {
    RLHF_ASSIGN_OR_RETURN(const Job job, ParseJob(request));
    Shape(job.places, LongestOf(job));
    ++repetition_;
    const size_t group = job.mode == "continuous"
                             ? job.lengths.size()
                             : static_cast<size_t>(job.places);
    const Stopwatch watch;
    double first = 0;
    for (size_t begin = 0; begin < job.lengths.size(); begin += group) {
      const size_t end = std::min(begin + group, job.lengths.size());
      RLHF_RETURN_IF_ERROR(AddGroup(job, begin, end));
      while (!engine_->idle()) {
        RLHF_RETURN_IF_ERROR(engine_->Step().status());
        if (first == 0) first = watch.seconds();
      }
    }
    int64_t tokens = 0;
    for (const int length : job.lengths) tokens += length;
    return Json{
        {"prefill_s", first}, {"total_s", watch.seconds()}, {"tokens", tokens}};
  }

 private:
  // Cuts the engine for so many sequences of so many tokens, unless it is.
  void Shape(int places, int64_t max_tokens) {
    if (places == places_ && max_tokens == max_tokens_) return;
    places_ = places;
    max_tokens_ = max_tokens;
    engine_.reset();  // not two at a time
    engine_ = std::make_unique<GenerationEngine>(
        model_, GenerationEngine::Options{.max_batch = places,
                                          .max_tokens = max_tokens});
  }

  // Requests `begin` to `end`.
  absl::Status AddGroup(const Job& job, size_t begin, size_t end) {
    const int longest = *std::max_element(job.lengths.begin() + begin,
                                          job.lengths.begin() + end);
    for (size_t i = begin; i < end; ++i) {
      EngineRequest request;
      request.id = i;
      request.prompt_ids = job.prompts[i];
      request.stream = SampleStream(1, absl::StrCat(i), repetition_);
      request.max_new_tokens =
          job.mode == "static_padded" ? longest : job.lengths[i];
      RLHF_RETURN_IF_ERROR(engine_->Add(std::move(request)));
    }
    return absl::OkStatus();
  }

  const std::shared_ptr<const Transformer> model_;
  std::unique_ptr<GenerationEngine> engine_;
  int places_ = 0;
  int64_t max_tokens_ = 0;
  int64_t repetition_ = 0;
};

int Main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(
        stderr,
        "usage: generation_bench MODEL_DIR float32|bfloat16|int8|plain\n");
    return 2;
  }
  auto model = LoadAs(argv[1], argv[2]);
  if (!model.ok()) {
    std::fprintf(stderr, "generation_bench: %s\n",
                 std::string(model.status().message()).c_str());
    return 1;
  }
  Bench bench(*std::move(model));
  ServeLines([&bench](const Json& request) { return bench.Repeat(request); });
  return 0;
}

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) { return rlhf::Main(argc, argv); }
