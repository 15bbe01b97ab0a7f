// A fuzz target: what reads bytes from outside, given any bytes.
//
//   RLHF_FUZZ_TARGET(comparisons) {
//     …reads `input`, and dies (RLHF_CHECK) if a promise is broken…
//   }
//
// A target says more than "no crash" where that costs little: what was taken
// can be written and read again, what was refused says why. It remembers
// nothing from one input to the next, but for folders that it writes anew.
#pragma once

#include <initializer_list>
#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace rlhf {

using FuzzTarget = void (*)(absl::string_view input);

// All of this program, by name.
std::map<std::string, FuzzTarget>& FuzzTargets();

// Puts a target into that map; returns true.
bool AddFuzzTarget(const std::string& name, FuzzTarget target);

// Dies unless an error has a message, and one of `codes` if there are some.
void CheckExplained(const absl::Status& status,
                    std::initializer_list<absl::StatusCode> codes = {});

// Makes `bytes` the contents of `path`, without syncing.
void WriteInput(const std::string& path, absl::string_view bytes);

// What stands before the first `separator`, which is taken off with it; all of
// `rest` if there is none.
absl::string_view TakePart(absl::string_view separator,
                           absl::string_view& rest);

}  // namespace rlhf

#define RLHF_FUZZ_TARGET(name)                         \
  static void name##_target(absl::string_view input);  \
  [[maybe_unused]] static const bool name##_is_known = \
      ::rlhf::AddFuzzTarget(#name, name##_target);     \
  static void name##_target(absl::string_view input)
