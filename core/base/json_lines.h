// Files of one JSON message a line, as processes append to them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/base/proto_json.h"

namespace rlhf {

// Reads what is appended to a file. Not thread-safe.
class JsonLinesTail {
 public:
  explicit JsonLinesTail(std::string path) : path_(std::move(path)) {}

  // The complete lines added since the last call; none if there is no file yet.
  std::vector<std::string> NewLines();

 private:
  const std::string path_;
  int64_t offset_ = 0;
};

// Every complete line of a file as a proto message T; none if there is no file.
// Errors: DataLoss that names file and line.
template <typename T>
absl::StatusOr<std::vector<T>> ReadJsonLines(const std::string& path) {
  std::vector<T> values;
  int64_t line_number = 0;
  for (const std::string& line : JsonLinesTail(path).NewLines()) {
    ++line_number;
    const absl::Status parsed = JsonToProto(line, &values.emplace_back());
    if (!parsed.ok()) {
      return absl::DataLossError(
          absl::StrCat(path, ":", line_number, ": ", parsed.message()));
    }
  }
  return values;
}

}  // namespace rlhf
