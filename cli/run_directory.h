// Whether a run may start or go on in its directory, and that only one
// `rlhf up` works there.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Holds a run directory for this process until destroyed.
class RunLock {
 public:
  // Errors: FailedPrecondition if another process holds it.
  static absl::StatusOr<RunLock> Acquire(const std::string& run_dir);
  ~RunLock();
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;

 private:
  explicit RunLock(int fd) : fd_(fd) {}
  int fd_;
};

// Creates `run_dir` with its logs/ and writes the resolved `config` to its
// config.txtpb. A run that is there goes on if its configuration differs in
// threads, addresses, ports, ppo.num_updates, learner.num_ranks and the
// learner's fields on saving and failing only.
//
// Errors: InvalidArgument with every other difference.
absl::Status PrepareRunDirectory(const std::string& run_dir,
                                 const v1::RunConfig& config);

// One place where a role of this run will listen.
struct ListenField {
  // Of the configuration: "learner.address", "actor.metrics_port".
  std::string field;
  std::string address;
};
std::vector<ListenField> ListenFields(const v1::RunConfig& config);

// Binds every address once.
//
// Errors: InvalidArgument with every address that is malformed, in use or named
// by two fields, with its field and what to do.
absl::Status CheckPortsFree(const std::vector<ListenField>& fields);

}  // namespace rlhf
