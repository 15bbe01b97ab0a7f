#include "feedback/page_files.h"

#include <set>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr absl::string_view kTemplate = ".template";

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
    if (absl::EndsWith(file->name, kTemplate)) continue;
    files.push_back(
        {PathOf(file->name), ContentType(file->name), file->contents});
  }
  return files;
}

std::string AsHtml(absl::string_view text) {
  return absl::StrReplaceAll(text, {{"&", "&amp;"},
                                    {"<", "&lt;"},
                                    {">", "&gt;"},
                                    {"\"", "&quot;"},
                                    {"'", "&#39;"}});
}

absl::string_view FindTemplate(absl::string_view name) {
  const EmbeddedFile* file = kEmbeddedFiles;
  while (file->name != nullptr && file->name != absl::StrCat(name, kTemplate)) {
    ++file;
  }
  RLHF_CHECK(file->name != nullptr) << name;
  return file->contents;
}

}  // namespace

std::string FillTemplate(absl::string_view name,
                         const std::map<std::string, std::string>& values) {
  std::string page;
  absl::string_view rest = FindTemplate(name);
  std::set<std::string> filled;
  for (size_t open = rest.find("{{"); open != absl::string_view::npos;
       open = rest.find("{{")) {
    const size_t close = rest.find("}}", open);
    RLHF_CHECK(close != absl::string_view::npos) << name;
    const std::string key(rest.substr(open + 2, close - open - 2));
    const auto value = values.find(key);
    RLHF_CHECK(value != values.end()) << name << " wants " << key;
    absl::StrAppend(&page, rest.substr(0, open), AsHtml(value->second));
    rest.remove_prefix(close + 2);
    filled.insert(key);
  }
  RLHF_CHECK(filled.size() == values.size()) << name << " lacks a key";
  return absl::StrCat(page, rest);
}

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
