#include "core/rpc/rpc_identity.h"

#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/config/tls_checks.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/role_uri.h"
#include "core/rpc/tls_files.h"

namespace rlhf {
namespace {

namespace tls = grpc::experimental;

// Takes the server whose certificate names one role of one run. In place of its
// host name: any machine may run a role, and no other role may pose as it.
class ServerRoleCheck final : public tls::ExternalCertificateVerifier {
 public:
  ServerRoleCheck(std::string run, std::string role)
      : run_(std::move(run)), role_(std::move(role)) {}

  bool Verify(tls::TlsCustomVerificationCheckRequest* server,
              std::function<void(grpc::Status)>,
              grpc::Status* result) override {
    std::vector<absl::string_view> uris;
    for (const grpc::string_ref& uri : server->uri_names()) {
      uris.emplace_back(uri.data(), uri.size());
    }
    *result = ToGrpcStatus(Check(uris));
    return true;
  }

  void Cancel(tls::TlsCustomVerificationCheckRequest*) override {}

 private:
  absl::Status Check(const std::vector<absl::string_view>& uris) const {
    RLHF_ASSIGN_OR_RETURN(const std::string role, RoleOf(uris, run_));
    if (role == role_) return absl::OkStatus();
    return absl::UnauthenticatedError(
        absl::StrCat("the server's certificate is for ", RoleUri(run_, role),
                     "; wanted ", RoleUri(run_, role_)));
  }

  const std::string run_;
  const std::string role_;
};

void Watch(tls::TlsCredentialsOptions& options) {
  options.watch_root_certs();
  options.watch_identity_key_cert_pairs();
}

}  // namespace

struct RpcIdentity::Files {
  std::string run;
  RotationPace pace;
  std::shared_ptr<tls::FileWatcherCertificateProvider> watcher;

  // By the server's role. Channels that share them share connections.
  mutable Mutex mutex;
  mutable std::map<std::string, std::shared_ptr<grpc::ChannelCredentials>>
      to_servers ABSL_GUARDED_BY(mutex);
};

absl::StatusOr<RpcIdentity> RpcIdentity::Load(const v1::RunConfig& config,
                                              const std::string& role,
                                              const RotationPace& pace) {
  RpcIdentity identity;
  if (!HasTls(config)) return identity;
  const v1::TlsConfig own = TlsFilesOf(config.tls(), role);
  RLHF_RETURN_IF_ERROR(CheckTlsFiles(own, config.name(), role));
  auto files = std::make_shared<Files>();
  files->run = config.name();
  files->pace = pace;
  files->watcher = std::make_shared<tls::FileWatcherCertificateProvider>(
      own.key(), own.certificate(), own.ca(),
      static_cast<unsigned>(absl::ToInt64Seconds(pace.look_every)));
  identity.files_ = std::move(files);
  return identity;
}

std::shared_ptr<grpc::ChannelCredentials> RpcIdentity::CredentialsTo(
    const std::string& server_role) const {
  if (!has_tls()) return grpc::InsecureChannelCredentials();
  MutexLock lock(&files_->mutex);
  auto& credentials = files_->to_servers[server_role];
  if (credentials == nullptr) {
    tls::TlsChannelCredentialsOptions options;
    options.set_certificate_provider(files_->watcher);
    Watch(options);
    options.set_certificate_verifier(
        tls::ExternalCertificateVerifier::Create<ServerRoleCheck>(files_->run,
                                                                  server_role));
    options.set_check_call_host(false);
    credentials = tls::TlsCredentials(options);
  }
  return credentials;
}

std::shared_ptr<grpc::ServerCredentials> RpcIdentity::CredentialsToServe()
    const {
  // gRPC checks calls before it reads them only under credentials, so these are
  // not "insecure" ones, though their words go unencrypted.
  if (!has_tls()) return tls::LocalServerCredentials(LOCAL_TCP);
  tls::TlsServerCredentialsOptions options(files_->watcher);
  Watch(options);
  options.set_cert_request_type(
      GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY);
  return tls::TlsServerCredentials(options);
}

std::string RpcIdentity::run() const { return has_tls() ? files_->run : ""; }

absl::Duration RpcIdentity::connection_age() const {
  return has_tls() ? files_->pace.connection_age : absl::InfiniteDuration();
}

}  // namespace rlhf
