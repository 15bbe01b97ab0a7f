// The preference models that the reward server holds: the serving one, the one
// before it, and two that may be on trial. A swap is one pointer change:
// whoever took a version keeps it until he is done.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/mutex.h"
#include "core/nn/transformer.h"
#include "core/registry/pm_members.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"
#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// One loaded version, immutable.
struct LoadedPm {
  v1::ModelVersion version;
  std::unique_ptr<const Tokenizer> tokenizer;
  // SHA-256 of its tokenizer.json, in hexadecimal.
  std::string tokenizer_digest;
  ChatFormat format;
  PmMembers members;
  // One for each member; they share the tokenizer.
  std::vector<Transformer> models;

  // The first member's.
  const Transformer& model() const { return models.front(); }

  // The tokens that this PM reads for a dialogue and its response; those that
  // the dialogue states, if any, which must be of this PM's tokenizer.
  // Errors: InvalidArgument for what the chat format refuses, tokens beside
  // text or outside the vocabulary, or more tokens than the model takes.
  absl::StatusOr<std::vector<int32_t>> Encode(
      const v1::ScoredDialogue& dialogue) const;
};

// Loads a PM directory with all its members, with weights of `dtype` on
// `device`. Errors: as LoadModel, MoveTo, Tokenizer::Load, ChatFormat::Load,
// PmMembersOf; InvalidArgument if one is not a preference model.
absl::StatusOr<std::shared_ptr<const LoadedPm>> LoadPm(
    const std::string& directory, const v1::ModelVersion& version,
    at::ScalarType dtype = at::kFloat, at::Device device = at::kCPU);

// Thread-safe.
class PmSlots {
 public:
  // The serving version; null if there is none.
  std::shared_ptr<const LoadedPm> serving() const;

  // Version `version` (0: the serving one), unless it is the shadow.
  // Errors: Unavailable if nothing serves; NotFound if it is in no slot.
  absl::StatusOr<std::shared_ptr<const LoadedPm>> Get(int64_t version) const;

  // Makes `pm` the serving one; what served becomes the previous one.
  void Swap(std::shared_ptr<const LoadedPm> pm);

  // After a start, both at one moment; `previous` may be null.
  void Begin(std::shared_ptr<const LoadedPm> serving,
             std::shared_ptr<const LoadedPm> previous);

  // A candidate that may be asked for by its version, and one that is asked for
  // by nobody; null ends the trial.
  void SetCanary(std::shared_ptr<const LoadedPm> pm);
  void SetShadow(std::shared_ptr<const LoadedPm> pm);
  std::shared_ptr<const LoadedPm> canary() const;

  // Remembers why `pm` could not score a dialogue, as long as it is the canary:
  // the first such error. Whether this is the one.
  bool NoteCanaryError(const LoadedPm& pm, const std::string& error);
  std::shared_ptr<const LoadedPm> shadow() const;

  // Remembers why the registry's newest choice could not be loaded ("": it
  // could).
  void SetLoadError(const std::string& error);

  v1::RewardStatus Status() const;

 private:
  mutable Mutex mutex_;
  std::shared_ptr<const LoadedPm> serving_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const LoadedPm> previous_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const LoadedPm> canary_ ABSL_GUARDED_BY(mutex_);
  std::string canary_error_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const LoadedPm> shadow_ ABSL_GUARDED_BY(mutex_);
  int64_t num_swaps_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string load_error_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
