// An endless, reproducible order over the prompts: pass after pass, each pass
// in a shuffled order of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// Thread-compatible.
class PromptCycle {
 public:
  // `prompts` must not be empty.
  PromptCycle(std::vector<v1::Prompt> prompts, uint64_t seed);

  // The prompt at `position` >= 0; a pure function of the constructor's
  // arguments and the position.
  const v1::Prompt& At(int64_t position);

 private:
  void Shuffle(int64_t pass);

  const std::vector<v1::Prompt> prompts_;
  const uint64_t seed_;
  int64_t pass_ = -1;
  std::vector<size_t> order_;  // of pass_
};

// Where the cycle of a run goes on, whose feedback folder is `folder`; the last
// position that was written, or `otherwise` if none was.
// Errors: as ReadFile; DataLoss if the file holds no position.
absl::StatusOr<int64_t> ReadPromptPosition(const std::string& folder,
                                           int64_t otherwise);

// Errors: as WriteFileAtomically.
absl::Status WritePromptPosition(const std::string& folder, int64_t position);

}  // namespace rlhf
