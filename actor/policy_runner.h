// The policy that the actor samples with, and who waits for which of its
// sequences.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "actor/actor_metrics.h"
#include "actor/generation_engine.h"
#include "actor/policy_fetcher.h"
#include "actor/policy_packer.h"

namespace rlhf {

// Not thread-safe: one thread adds and steps. Destroyed, it drops what is
// unfinished without calling back.
class PolicyRunner {
 public:
  // The finished sequence, or why there is none.
  using Done = std::function<void(absl::StatusOr<EngineResult>)>;

  // What becomes of running sequences when a new version comes.
  enum class OnNewVersion {
    // They are finished by the old one first, and nothing new starts meanwhile:
    // each sequence is of one version.
    kFinish,
    // The new one goes on with them from their next token; see
    // GenerationEngine::OldCache.
    kKeepCache,
    kRecompute,
  };

  // `metrics` is not owned and must outlive this. With `packer` versions are
  // packed when they are taken, in which time no token is sampled; without one
  // they sample as they come.
  PolicyRunner(GenerationEngine::Options options, ActorMetrics* metrics,
               OnNewVersion on_new_version = OnNewVersion::kFinish,
               std::optional<PolicyPacker> packer = std::nullopt)
      : options_(std::move(options)),
        on_new_version_(on_new_version),
        metrics_(metrics),
        packer_(std::move(packer)) {}

  // Takes a new version, and its model apart: with kFinish once the sequences
  // of the old one are done, else before the next token. Errors:
  // ResourceExhausted if there is no memory for the cache, of the first version
  // alone, or for the packed weights.
  absl::Status Offer(PolicyVersion policy);

  bool has_policy() const { return engine_ != nullptr; }
  // The version that samples; with kFinish every sequence in flight is of this
  // one.
  int64_t version() const { return version_; }
  // False while a new version waits for the sequences of the old one.
  bool accepting() const { return !offered_.has_value(); }
  // Sequences that have a place right now; 0 without a policy.
  int room() const;
  bool idle() const { return engine_ == nullptr || engine_->idle(); }

  // As GenerationEngine::Validate. Dies without a policy.
  absl::Status Validate(const EngineRequest& request) const;

  // Starts a sequence, under an id of this class's choice; `done` is called
  // once, from Step. Returns the id. Dies without a policy.
  // Errors (then `done` is not called): those of Validate.
  absl::StatusOr<uint64_t> Add(EngineRequest request, Done done);

  // As GenerationEngine::Find, by the id that Add returned.
  const EngineResult* Find(uint64_t id) const {
    return engine_ == nullptr ? nullptr : engine_->Find(id);
  }

  // Ends a sequence without calling back; nothing if it is done already.
  void Cancel(uint64_t id);

  // Extends every sequence by one token and hands the finished ones out; takes
  // the version that waited for them. Errors: those of Offer.
  absl::Status Step();

 private:
  absl::Status TakeOffered();

  const GenerationEngine::Options options_;
  const OnNewVersion on_new_version_;
  ActorMetrics* const metrics_;
  std::optional<PolicyPacker> packer_;
  std::optional<PolicyVersion> offered_;
  std::unique_ptr<GenerationEngine> engine_;
  int64_t version_ = 0;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Done> done_by_id_;
};

}  // namespace rlhf
