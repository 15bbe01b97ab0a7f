// The model registry: immutable versions of one kind of model, and the aliases
// that say which one serves.
//
//   ROOT/000007/config.json, model.safetensors, …  a Hugging Face directory
//   ROOT/000007/card.json                          digest, files, parents, …
//   ROOT/transitions.jsonl                         which version each alias
//                                                  points to (transition_log.h)
//
// A crash at any point leaves the old state or the new one.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/registry/transition_log.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// Any number of processes may use one registry at a time.
class ModelRegistry {
 public:
  // `root` is the folder of one kind: "runs/x/registry/pm".
  explicit ModelRegistry(std::string root) : root_(std::move(root)) {}

  // Makes `version` (>= 1) out of what `fill` writes into the folder it is
  // given; `card`, an object or null, is completed with version,
  // digest and the files' hashes and written last. One thread of a process at a
  // time. Removes what a killed process left of the same version.
  //
  // Errors: AlreadyExists; those of `fill`; ResourceExhausted on a full disk.
  absl::StatusOr<v1::ModelVersion> Publish(
      int64_t version, Json card,
      const std::function<absl::Status(const std::string&)>& fill) const;

  // The card of a version. Errors: NotFound; InvalidArgument if it is no JSON.
  absl::StatusOr<Json> Card(int64_t version) const;

  // Version and digest, as the card tells. Errors: NotFound.
  absl::StatusOr<v1::ModelVersion> Get(int64_t version) const;

  // Computes the digest anew. Errors: NotFound; DataLoss if it differs, naming
  // the files.
  absl::Status Verify(int64_t version) const;

  // Every published version, oldest first.
  std::vector<int64_t> Versions() const;

  // The newest version that was ever published; 0 if none.
  int64_t Latest() const;

  std::string Directory(int64_t version) const;

  // A secret of this registry for one purpose, always the same: the signature
  // of `purpose` by the key that signs transitions, which is made if there is
  // none. No version holds it. Errors: as SigningKey::LoadOrCreate.
  absl::StatusOr<std::string> Secret(const std::string& purpose) const;

  // The version that `alias` ("serving", "previous", "candidate", "shadow",
  // "canary") points to; nullopt if it points nowhere.
  // Errors: InvalidArgument if the newest transition is damaged.
  absl::StatusOr<std::optional<int64_t>> Alias(const std::string& alias) const;

  // All of them at one moment. Errors: as Alias.
  absl::StatusOr<Aliases> CurrentAliases() const;

  // Points `alias` to `version`.
  // Errors: NotFound if there is no such version.
  absl::Status SetAlias(const std::string& alias, int64_t version,
                        const TransitionCause& cause) const;

  // Points `alias` nowhere; fine if it does already.
  absl::Status ClearAlias(const std::string& alias,
                          const TransitionCause& cause) const;

  // serving := version, previous := what was serving, in one step, provided
  // that `expected_serving` still serves (nullopt: nothing does). Changes
  // nothing if `version` serves already. Where `version` was shadow or canary
  // it is so no more. Errors: Aborted if something else serves; NotFound.
  absl::Status Promote(int64_t version, std::optional<int64_t> expected_serving,
                       const TransitionCause& cause) const;

  // Takes the newest promotion back: serving and previous change places.
  // Returns what serves now.
  // Errors: FailedPrecondition if nothing served before.
  absl::StatusOr<int64_t> RollBack(const TransitionCause& cause) const;

  // How the aliases came to be what they are, oldest first.
  // Errors: DataLoss if a record was damaged or forged.
  absl::StatusOr<std::vector<Transition>> Transitions() const;

 private:
  absl::Status ChangeAliases(
      const TransitionCause& cause,
      const std::function<absl::Status(Aliases&)>& change) const;

  const std::string root_;
};

// SHA-256 over the sorted "NAME SHA256" lines of the files in a folder and
// those below it, its card.json left out.
absl::StatusOr<std::string> DirectoryDigest(const std::string& directory);

}  // namespace rlhf
