// The pages for workers and requesters (feedback/page/), compiled into the
// binary.
#pragma once

#include <map>
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

// The page that NAME.template makes of `values`: each stands, as text and never
// as HTML, where the template has {{its key}}. This is the one place where HTML
// is made of text. Dies if there is no such template, or if it and `values` do
// not have the same keys.
std::string FillTemplate(absl::string_view name,
                         const std::map<std::string, std::string>& values);

// A file (or template) as page/embed.cmake writes it down; the last one has no
// name.
struct EmbeddedFile {
  const char* name;
  const char* contents;
};
extern const EmbeddedFile kEmbeddedFiles[];

}  // namespace rlhf
