// The run configuration that a command line names.
#pragma once

#include "absl/status/statusor.h"
#include "cli/flags.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// From --config and --set. Errors: InvalidArgument without --config; those of
// LoadRunConfig and CheckAddresses.
absl::StatusOr<v1::RunConfig> ConfigFromFlag(const Flags& flags);

// From the one positional argument and --set.
absl::StatusOr<v1::RunConfig> ConfigFromArgument(const Flags& flags);

// InvalidArgument unless every address is HOST:PORT on loopback and no port is
// given twice; names the field.
absl::Status CheckAddresses(const v1::RunConfig& config);

// Every port of a run with the field that sets it.
struct NamedPort {
  std::string field;
  std::string address;  // HOST:PORT
};
std::vector<NamedPort> AllPorts(const v1::RunConfig& config);

}  // namespace rlhf
