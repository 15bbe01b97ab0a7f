#include "core/base/json_lines.h"

#include <fstream>
#include <iterator>

#include "absl/strings/str_split.h"

namespace rlhf {

std::vector<std::string> JsonLinesTail::NewLines() {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return {};
  file.seekg(offset_);
  std::string text((std::istreambuf_iterator<char>(file)),
                   std::istreambuf_iterator<char>());
  // What follows the last line break is still being written.
  const size_t end = text.rfind('\n');
  if (end == std::string::npos) return {};
  text.resize(end);
  offset_ += static_cast<int64_t>(end) + 1;
  return absl::StrSplit(text, '\n');
}

}  // namespace rlhf
