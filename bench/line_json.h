// How a program of bench/ answers bench/peer_process.py: one line of JSON for
// each that it is asked.
#pragma once

#include <cstdio>
#include <functional>
#include <iostream>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

inline void PrintLine(const Json& line) {
  std::printf("%s\n", DumpJson(line).c_str());
  std::fflush(stdout);
}

// Says that the program is ready, then answers each line of input until there
// is no more; an error is an answer too.
inline void ServeLines(
    const std::function<absl::StatusOr<Json>(const Json&)>& answer) {
  PrintLine({{"ready", true}});
  std::string line;
  while (std::getline(std::cin, line)) {
    const absl::StatusOr<Json> request = ParseJson(line);
    const absl::StatusOr<Json> reply =
        request.ok() ? answer(*request) : request.status();
    PrintLine(reply.ok()
                  ? *reply
                  : Json{{"error", std::string(reply.status().message())}});
  }
}

}  // namespace rlhf
