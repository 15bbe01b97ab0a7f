// Text beside the dialogues, for language modelling during PPO ("PPO-ptx",
// Ouyang et al. 2022, arXiv:2203.02155, eq. 2): the policy keeps what it knew.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/text/tokenizer.h"
#include "trainer/response_forward.h"

namespace rlhf {

// Const methods may run at once.
class PretrainingMix {
 public:
  // Reads a JSONL file of {"text": TEXT} lines; empty lines are skipped. Text
  // of more than `max_tokens` >= 2 tokens is cut into several sequences. All
  // tokens are held in memory.
  //
  // Errors: NotFound; InvalidArgument as "path:line: what", or if there is
  // nothing to learn from.
  static absl::StatusOr<PretrainingMix> Load(const std::string& path,
                                             const Tokenizer& tokenizer,
                                             int64_t max_tokens);

  // `count` sequences, chosen by a hash of `key`, perhaps one more than once;
  // the same wherever it is asked. Nothing predicts a sequence's first token,
  // which is its "prompt". They point into this object.
  std::vector<PromptResponse> Draw(uint64_t key, int64_t count) const;

  size_t num_sequences() const { return sequences_.size(); }

 private:
  struct Sequence {
    std::vector<int32_t> first, rest;
  };
  std::vector<Sequence> sequences_;
};

}  // namespace rlhf
