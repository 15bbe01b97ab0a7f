// Figures of this machine, measured in about two seconds.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "cli/doctor/judge_machine.h"

namespace rlhf {

// Of the disk that `runs_dir` is on, or will be once it is made: writes up to
// 64 MiB into a file without a name, which is gone afterwards.
//
// Errors: as ErrnoStatus.
absl::StatusOr<DiskFigures> MeasureDisk(const std::string& runs_dir);

// Of the machine, or of the control group of this process where that allows
// less. Zeros where /proc does not say.
MemoryFigures MeasureMemory();

// nullopt: there is no /dev/shm.
std::optional<int64_t> FreeSharedMemory();

// Of this process, as of those that the same shell starts.
int64_t OpenFileLimit();

// Matrix products are in `dtype`, with this process's threads.
ProcessorFigures MeasureProcessor(at::ScalarType dtype);

}  // namespace rlhf
