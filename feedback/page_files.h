// The page for workers (feedback/page/), compiled into the binary.
#pragma once

#include "absl/strings/string_view.h"

namespace rlhf {

struct PageFile {
  absl::string_view path;  // "/", "/page.css", …
  absl::string_view content_type;
  absl::string_view contents;
};

// Null if there is no such file.
const PageFile* FindPageFile(absl::string_view path);

}  // namespace rlhf
