// `rlhf feedback invite | accounts | token | disable`: who may use the page of
// a run. They change the run's accounts.json, and a running service sees it.
#pragma once

#include <grpcpp/client_context.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/flags.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Does it; links, tokens and the list go to standard output.
//
// Errors: FailedPrecondition if the run has no login; as the changes of
// Accounts.
absl::Status RunAccountsCommand(const v1::RunConfig& config,
                                const Flags& flags);

// The pseudonym under which the answers of the account `name` are in the log;
// empty if the run has no such account.
std::string PseudonymOfAccount(const v1::RunConfig& config,
                               const std::string& name);

// What this machine's own programs show to the run's service; empty if it asks
// for no login.
//
// Errors: as LoadOrCreateSecret.
absl::StatusOr<std::string> OperatorToken(const v1::RunConfig& config);

// A call to the run's service that shows OperatorToken and ends with
// DEADLINE_EXCEEDED after `timeout`. Errors: as OperatorToken.
absl::StatusOr<std::unique_ptr<grpc::ClientContext>> OperatorContext(
    const v1::RunConfig& config, absl::Duration timeout);

}  // namespace rlhf
