// Which version each alias points to, and how it came to be so.
//
//   ROOT/transitions.jsonl  one record a line; the last one says what holds now
//   ROOT/key.pem            the run's key, with which each record is signed
//
// Each record holds all aliases and stands in a SignedLog.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/registry/signed_log.h"

namespace rlhf {

// Alias to version.
using Aliases = std::map<std::string, int64_t>;

// Who moves an alias, and why: kept for good.
struct TransitionCause {
  std::string by;
  std::string reason;
};

struct Transition {
  // From 1, without gaps.
  int64_t seq = 0;
  absl::Time time;
  TransitionCause cause;
  // All of them, after the transition.
  Aliases aliases;
};

// The file of the registry's signing key.
std::string KeyPath(const std::string& root);

// Any number of readers at a time; writers take turns by a lock of their own.
class TransitionLog {
 public:
  // `root` is the registry's folder.
  explicit TransitionLog(const std::string& root);

  // What holds now; empty if nothing was ever set. A last line that a crash cut
  // short counts as not written.
  //
  // Errors: InvalidArgument, naming file and line, if the newest record is
  // damaged.
  absl::StatusOr<Aliases> Current() const;

  // Every record, oldest first, each proven against the one before it and by
  // its signature.
  //
  // Errors: DataLoss, naming file and line.
  absl::StatusOr<std::vector<Transition>> ReadAll() const;

  // Makes `aliases` what holds. Durable when it returns OK.
  //
  // Errors: as Current; those of the disk.
  absl::Status Append(const Aliases& aliases, const TransitionCause& cause,
                      absl::Time now) const;

 private:
  const SignedLog log_;
};

}  // namespace rlhf
