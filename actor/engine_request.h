// What goes into the generation engine and what comes out of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "actor/stop_conditions.h"
#include "core/nn/truncation.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

struct EngineRequest {
  // The caller's name for it; unique among the requests in the engine.
  uint64_t id = 0;
  std::vector<int32_t> prompt_ids;
  // core/nn/sampler.h, SampleStream.
  uint64_t stream = 0;
  int max_new_tokens = 1;
  // 0 is greedy.
  double temperature = 1;
  Truncation truncation;
  StopConditions stops;
  // By MonotonicNow: when the response ends with what it has then, were it
  // nothing at all.
  absl::Time deadline = absl::InfiniteFuture();
};

// What it may need at most, prompt and response together.
inline int64_t TokensNeeded(const EngineRequest& request) {
  return static_cast<int64_t>(request.prompt_ids.size()) +
         request.max_new_tokens;
}

// `num_tokens` tokens, one after the other, of one policy version.
struct VersionRun {
  int64_t version = 0;
  int64_t num_tokens = 0;

  bool operator==(const VersionRun&) const = default;
};

// All lists but `versions` have one entry per token.
struct EngineResult {
  uint64_t id = 0;
  // With the end-of-sequence token, or the tokens of the stop string, if it
  // ended so.
  std::vector<int32_t> token_ids;
  // Nats, under the sampling distribution: at the temperature, over the tokens
  // that truncation left. Of greedy tokens, as `model_logprobs`.
  std::vector<float> logprobs;
  // Nats, at temperature 1 and without truncation.
  std::vector<float> model_logprobs;
  // Which version drew each token; adds up to their number.
  std::vector<VersionRun> versions;
  // What the tokens say, special ones left out, up to the stop string if it
  // ended so: bytes, which need not be whole UTF-8 (ReplaceInvalidUtf8). Empty
  // in an engine without a tokenizer.
  std::string text;
  // Unspecified while it is sampled.
  v1::FinishReason finish_reason = v1::FINISH_REASON_UNSPECIFIED;
};

// The runs of the tokens from `begin` to `end`.
std::vector<VersionRun> VersionsBetween(const std::vector<VersionRun>& runs,
                                        int64_t begin, int64_t end);

}  // namespace rlhf
