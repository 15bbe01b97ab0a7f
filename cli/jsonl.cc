#include "cli/jsonl.h"

#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/status_macros.h"

namespace rlhf {

absl::Status ForEachLine(
    const std::string& input,
    const std::function<absl::Status(const Json&)>& handle) {
  std::ifstream file;
  if (input != "-") {
    file.open(input);
    if (!file) {
      return absl::NotFoundError(absl::StrCat("cannot read ", input));
    }
  }
  std::istream& stream = input == "-" ? std::cin : file;
  const std::string name = input == "-" ? "standard input" : input;
  std::string line;
  for (int number = 1; std::getline(stream, line); ++number) {
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const absl::StatusOr<Json> json = ParseJson(line);
    const absl::Status status = json.ok() ? handle(*json) : json.status();
    if (!status.ok()) {
      return WithContext(status, absl::StrCat(name, ":", number));
    }
  }
  return absl::OkStatus();
}

void PrintLine(const Json& value) { std::cout << DumpJson(value) << "\n"; }

}  // namespace rlhf
