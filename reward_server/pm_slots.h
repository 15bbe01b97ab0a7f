// The preference models that the reward server holds: the serving one and the
// one before it. A swap is one pointer change: whoever took a version keeps it
// until he is done.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/nn/transformer.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// One loaded version, immutable.
struct LoadedPm {
  v1::ModelVersion version;
  std::unique_ptr<const Tokenizer> tokenizer;
  ChatFormat format;
  Transformer model;

  // The tokens that this PM reads for a dialogue and its response.
  // Errors: InvalidArgument for what the chat format refuses, or more tokens
  // than the model takes.
  absl::StatusOr<std::vector<int32_t>> Encode(
      const v1::ScoredDialogue& dialogue) const;
};

// Loads a PM directory, with weights of `dtype`. Errors: as LoadModel,
// Tokenizer::Load, ChatFormat::Load; InvalidArgument if it is not a preference
// model.
absl::StatusOr<std::shared_ptr<const LoadedPm>> LoadPm(
    const std::string& directory, const v1::ModelVersion& version,
    at::ScalarType dtype = at::kFloat);

// Thread-safe.
class PmSlots {
 public:
  // The serving version; null if there is none.
  std::shared_ptr<const LoadedPm> serving() const;

  // Version `version` (0: the serving one).
  // Errors: Unavailable if nothing serves; NotFound if it is in no slot.
  absl::StatusOr<std::shared_ptr<const LoadedPm>> Get(int64_t version) const;

  // Makes `pm` the serving one; what served becomes the previous one.
  void Swap(std::shared_ptr<const LoadedPm> pm);

  // Remembers why the registry's newest choice could not be loaded ("": it
  // could).
  void SetLoadError(const std::string& error);

  v1::RewardStatus Status() const;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const LoadedPm> serving_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const LoadedPm> previous_ ABSL_GUARDED_BY(mutex_);
  int64_t num_swaps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string load_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
