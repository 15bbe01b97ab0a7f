// A verb of the rlhf command.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "cli/flags.h"

namespace rlhf {

struct Verb {
  std::string name;
  // One line for `rlhf help`.
  std::string summary;
  // What comes after the name: "CONFIG [--plain]".
  std::string arguments;
  std::vector<FlagSpec> flags;
  absl::Status (*run)(const Flags& flags);
};

// Every verb, in the order of `rlhf help`.
const std::vector<Verb>& AllVerbs();

// Runs the command line after "rlhf"; returns the exit code: 0 done, 2 the
// caller's mistake, 3 gave up after retries, 1 a defect.
int RunCommand(const std::vector<std::string>& args);

// The exit code for a status.
int ExitCode(const absl::Status& status);

}  // namespace rlhf
