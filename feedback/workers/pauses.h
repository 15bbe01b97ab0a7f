// What a person said of a worker, kept in a small file beside the log.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace rlhf {

struct PersonsWord {
  bool paused = false;
  // Who said it, and why; both may be empty.
  std::string by;
  std::string reason;
  // The length of the log at that moment. A worker who is let back in is judged
  // by the answers after it.
  int64_t seq = 0;
};

// By worker; the last word on each.
using PersonsWords = std::map<std::string, PersonsWord>;

// Nothing if there is no such file. Errors: as ReadFile; InvalidArgument that
// names the file and what is wrong.
absl::StatusOr<PersonsWords> ReadPersonsWords(const std::string& path);

// Whole or not at all. Errors: as WriteFileAtomically.
absl::Status WritePersonsWords(const std::string& path,
                               const PersonsWords& words);

}  // namespace rlhf
