// Work on the preference store itself: through the service that has it, or else
// on it.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Copies the run's store into the new file `path`, verifies the copy and says
// so. Errors: NotFound if there is no store; as PreferenceStore::Open,
// PreferenceStore::Backup and RpcIdentity::Load.
absl::Status BackupStore(const v1::RunConfig& config, const std::string& path);

// Proves the run's log and prints what it holds. Errors: NotFound if there is
// no store; as PreferenceStore::Open and RpcIdentity::Load.
absl::Status VerifyStore(const v1::RunConfig& config);

}  // namespace rlhf
