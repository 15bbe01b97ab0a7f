// Who this process is to the others of its run, and whom it takes for them.
#pragma once

#include <grpcpp/security/credentials.h>
#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// How soon files that were replaced are in force. No call is cut off for it.
struct RotationPace {
  // Between two looks at the files; whole seconds. What they hold is in force
  // for every connection made from then on.
  absl::Duration look_every = absl::Seconds(10);
  // Servers have their clients connect again after this, so that nobody is
  // heard for longer by a certificate that is no longer good.
  absl::Duration connection_age = absl::Hours(1);
};

// Cheap to copy: copies watch the files together. Thread-safe.
class RpcIdentity {
 public:
  // Nobody: of a run without certificates, whose processes meet at loopback
  // addresses, unencrypted.
  RpcIdentity() = default;

  // That of `role` in the run, with the files of its `tls`; nobody if it has
  // none. Watches the files from then on, and uses what is renamed into their
  // place. A file that is away is passed over. While key and certificate are
  // not a pair there are no new connections; so they are one file, or are
  // replaced together (docs/security.md).
  //
  // Errors: as CheckTlsFiles (core/rpc/tls_files.h).
  static absl::StatusOr<RpcIdentity> Load(const v1::RunConfig& config,
                                          const std::string& role,
                                          const RotationPace& pace = {});

  bool has_tls() const { return files_ != nullptr; }

  // Of a client that takes only a server whose certificate names `server_role`
  // of the same run. Unencrypted for nobody.
  std::shared_ptr<grpc::ChannelCredentials> CredentialsTo(
      const std::string& server_role) const;

  // Of a server that hears only who shows a certificate of our authorities; of
  // callers on this machine for nobody.
  std::shared_ptr<grpc::ServerCredentials> CredentialsToServe() const;

  // The run whose certificates we take; empty for nobody.
  std::string run() const;

  // As RotationPace; infinite for nobody.
  absl::Duration connection_age() const;

 private:
  struct Files;
  std::shared_ptr<const Files> files_;
};

}  // namespace rlhf
