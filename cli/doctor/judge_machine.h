// Figures of this machine in, verdicts out. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/doctor/finding.h"

namespace rlhf {

struct DiskFigures {
  // The folder that was measured.
  std::string path;
  int64_t free_bytes = 0;
  // Median of some; of a small file.
  double sync_s = 0;
  double write_bytes_per_s = 0;
};

struct DiskNeeds {
  // Of one checkpoint, and how many are there at once.
  int64_t checkpoint_bytes = 0;
  int64_t checkpoints = 0;
  // In which a checkpoint is to be written after SIGTERM.
  double grace_s = 0;
};

// Three findings: space, sync, write rate. `needs` is nullopt if the model is
// not known.
Findings JudgeDisk(const absl::StatusOr<DiskFigures>& disk,
                   const std::optional<DiskNeeds>& needs);

struct MemoryFigures {
  // What this process could still have, and what the machine or its control
  // group has.
  int64_t available_bytes = 0;
  int64_t total_bytes = 0;
};

// `planned_bytes` of all learner ranks of this machine; 0: none are planned or
// they hold it already.
Finding JudgeMemory(const MemoryFigures& memory, int64_t planned_bytes);

// nullopt: there is no /dev/shm.
Finding JudgeSharedMemory(std::optional<int64_t> free_bytes, bool uses_nccl);

Finding JudgeOpenFiles(int64_t soft_limit);

struct ProcessorFigures {
  // That this process may run on.
  int cores = 0;
  // Cores' worth of time that its control group may have; 0: no limit.
  double quota = 0;
  double gemm_flops_per_s = 0;
};

// `threads` of the configuration.
Finding JudgeProcessor(const ProcessorFigures& processor, int threads);

// Of `role`'s file; `check` as CheckTlsFiles, `left` until it ends.
Finding JudgeCertificate(const std::string& role, const absl::Status& check,
                         absl::Duration left);

}  // namespace rlhf
