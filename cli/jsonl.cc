#include "cli/jsonl.h"

#include <filesystem>
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
    if (!file || std::filesystem::is_directory(input)) {
      return absl::NotFoundError(
          absl::StrCat("cannot read ", input,
                       "; wanted a file of JSON lines, or - for standard "
                       "input"));
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
  if (stream.bad()) {
    return absl::UnavailableError(
        absl::StrCat(name, ": cannot be read to its end"));
  }
  return absl::OkStatus();
}

absl::Status PrintLine(const Json& value) {
  std::cout << DumpJson(value) << "\n" << std::flush;
  if (std::cout) return absl::OkStatus();
  return absl::UnavailableError(
      "standard output takes no more (a full disk, or nobody reads it)");
}

}  // namespace rlhf
