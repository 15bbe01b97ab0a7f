// tests/fixtures/text (tools/make_text_fixtures.py). Tests only.
#pragma once

#include <cstdlib>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/json.h"

namespace rlhf {

inline std::string SourcePath(const std::string& path) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  RLHF_CHECK(root != nullptr) << "run the tests through ctest";
  return std::string(root) + "/" + path;
}

inline std::vector<Json> TextFixture(const std::string& name) {
  const auto text = ReadFile(SourcePath("tests/fixtures/text/" + name));
  RLHF_CHECK(text.ok()) << text.status();
  std::vector<Json> lines;
  for (const absl::string_view line :
       absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    lines.push_back(*ParseJson(line));
  }
  return lines;
}

}  // namespace rlhf
