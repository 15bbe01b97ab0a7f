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

}  // namespace rlhf
