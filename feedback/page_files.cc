#include "feedback/page_files.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace rlhf {
namespace {

absl::string_view ContentType(absl::string_view name) {
  if (absl::EndsWith(name, ".html")) return "text/html; charset=utf-8";
  if (absl::EndsWith(name, ".css")) return "text/css; charset=utf-8";
  if (absl::EndsWith(name, ".js")) return "text/javascript; charset=utf-8";
  return "image/svg+xml";
}

std::string PathOf(absl::string_view name) {
  if (name == "index.html") return "/";
  return absl::StrCat("/", absl::StripSuffix(name, ".html"));
}

std::vector<PageFile> MakeFiles() {
  std::vector<PageFile> files;
  for (const EmbeddedFile* file = kEmbeddedFiles; file->name != nullptr;
       ++file) {
    files.push_back(
        {PathOf(file->name), ContentType(file->name), file->contents});
  }
  return files;
}

}  // namespace

const std::vector<PageFile>& AllPageFiles() {
  static const std::vector<PageFile> kFiles = MakeFiles();
  return kFiles;
}

const PageFile* FindPageFile(absl::string_view path) {
  for (const PageFile& file : AllPageFiles()) {
    if (file.path == path) return &file;
  }
  return nullptr;
}

}  // namespace rlhf
