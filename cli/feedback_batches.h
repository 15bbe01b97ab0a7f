// `rlhf feedback import | batches | release | refuse | retract`: batches into
// the store and out of it again, through the service that has the store, or
// else on it. What they print goes to standard output.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "cli/flags.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Takes the file `path` in as a batch, or with `dry_run` only says what would
// become of it, and prints the batch's report.
//
// Errors: InvalidArgument with the report if the batch is refused; as ReadFile
// and BatchCommands.
absl::Status ImportBatch(const v1::RunConfig& config, const std::string& path,
                         bool dry_run);

// Prints the report of the batch `id`. Errors: as BatchCommands.
absl::Status ShowBatch(const v1::RunConfig& config, const std::string& id);

// Prints one line a batch, the newest first, and how to see older ones: --last
// of them that came before --before. Errors: as BatchCommands.
absl::Status ListBatches(const v1::RunConfig& config, const Flags& flags);

// Decides about the batch `id`, which waits for a person, and prints its
// report; --by and --reason are kept in it.
//
// Errors: InvalidArgument without --by or --reason; as BatchCommands.
absl::Status DecideBatch(const v1::RunConfig& config, const Flags& flags,
                         const std::string& id, bool release);

// Takes back for good what one of --worker, --batch, --comparison and
// --suspects-of names, and prints how much that was and which models may have
// learned from it; --by and --reason are kept.
//
// Errors: InvalidArgument without them; FailedPrecondition if the batch
// suspects nothing; NotFound if there is no such thing; as BatchCommands.
absl::Status RetractComparisons(const v1::RunConfig& config,
                                const Flags& flags);

}  // namespace rlhf
