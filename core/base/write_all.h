// Writing to an open file, whatever interrupts it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Writes all of `contents` to `fd`, which errors call `path`.
// Errors: as ErrnoStatus (file.h); a part may be written then.
absl::Status WriteAll(int fd, absl::string_view contents,
                      const std::string& path);

// The same, or nothing at the end of a regular file: what a full disk takes of
// it is removed again.
absl::Status WriteAllOrNothing(int fd, absl::string_view contents,
                               const std::string& path);

// Opens `path`, or makes it, and adds `bytes` at its end, or nothing. Several
// processes may append to a file; where the disk is full, they may lose what
// another wrote meanwhile.
// Errors: as ErrnoStatus.
absl::Status AppendWhole(const std::string& path, absl::string_view bytes);

}  // namespace rlhf
