// The safetensors file format: an 8-byte length, a JSON header, raw tensors.
// https://github.com/huggingface/safetensors#format
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/comm/named_tensor.h"

namespace rlhf {

// Reads every tensor of a file as float32, in the order of their bytes.
// F32, F16 and BF16 are understood.
//
// Float32 tensors are the mapped file itself, so that processes which read one
// file hold it once. Changing them changes memory of this process alone, and
// costs what copying them would have. The file must stay as it is meanwhile:
// replace model files, never rewrite them.
//
// Nothing is allocated before the header is proven: sizes match shapes, the
// tensors cover the file without gap or overlap, no name comes twice.
//
// Errors (all name the file):
//   NotFound         no such file
//   InvalidArgument  a Git LFS pointer or a pickle in its place, a truncated or
//                    malformed file, a value that is not finite
absl::StatusOr<NamedTensors> ReadSafetensors(const std::string& path);

// Writes contiguous float32 CPU tensors (others are converted) to `path`.
// Not atomic by itself: callers write into an AtomicDirectory.
//
// Errors: ResourceExhausted if the disk is full, else Unavailable.
absl::Status WriteSafetensors(const std::string& path,
                              const NamedTensors& tensors);

}  // namespace rlhf
