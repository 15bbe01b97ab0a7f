// The pages for workers and requesters (feedback/page/), compiled into the
// binary.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace rlhf {

struct PageFile {
  // "/" is index.html, "/NAME" is NAME.html; "/page.css", …
  std::string path;
  absl::string_view content_type;
  absl::string_view contents;
};

const std::vector<PageFile>& AllPageFiles();

// Null if there is no such file.
const PageFile* FindPageFile(absl::string_view path);

// A file as page/embed.cmake writes it down; the last one has no name.
struct EmbeddedFile {
  const char* name;
  const char* contents;
};
extern const EmbeddedFile kEmbeddedFiles[];

}  // namespace rlhf
