#include "cli/store_commands.h"

#include <cerrno>
#include <cstdio>
#include <iostream>
#include <memory>

#include "absl/strings/str_cat.h"
#include "cli/comparison_log.h"
#include "cli/feedback_accounts.h"
#include "core/base/counted.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/permissions.h"
#include "core/rpc/rpc_identity.h"
#include "feedback/open_store.h"
#include "feedback/store_service.h"
#include "rlhf/v1/store.grpc.pb.h"

namespace rlhf {
namespace {

// Whole logs are read, or copied and read.
constexpr absl::Duration kTimeout = absl::Minutes(10);

// null if the service has the store.
absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenUnlessServed(
    const v1::RunConfig& config, StoreContext& context) {
  RLHF_ASSIGN_OR_RETURN(const bool exists, PreferenceStoreExists(config));
  if (!exists) {
    return absl::NotFoundError(absl::StrCat(PreferenceStoreName(config),
                                            ": there is no preference store"));
  }
  auto store = context.Open(config);
  if (absl::IsFailedPrecondition(store.status())) return nullptr;
  return store;
}

absl::StatusOr<std::unique_ptr<v1::Store::Stub>> ServiceOf(
    const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  return v1::Store::NewStub(
      MakeChannel(config.feedback().address(), self, "feedback"));
}

// Has the service make the copy in its folder, and moves it to `path`.
absl::StatusOr<v1::StoreState> BackupThroughService(const v1::RunConfig& config,
                                                    const std::string& path) {
  v1::BackupStoreRequest request;
  request.set_name(path.substr(path.rfind('/') + 1));
  v1::BackupStoreResponse response;
  RLHF_ASSIGN_OR_RETURN(const auto service, ServiceOf(config));
  RLHF_ASSIGN_OR_RETURN(const auto context, OperatorContext(config, kTimeout));
  RLHF_RETURN_IF_ERROR(
      FromGrpcStatus(service->Backup(context.get(), request, &response)));
  if (::rename(response.path().c_str(), path.c_str()) != 0) {
    return WithContext(
        ErrnoStatus(errno, "move it to", path),
        absl::StrCat("the copy is made and verified, in ", response.path()));
  }
  return response.state();
}

}  // namespace

absl::Status BackupStore(const v1::RunConfig& config, const std::string& path) {
  if (FileExists(path)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, " is there: give the backup another name"));
  }
  StoreContext context;
  RLHF_ASSIGN_OR_RETURN(const auto store, OpenUnlessServed(config, context));
  v1::StoreState state;
  if (store != nullptr) {
    RLHF_RETURN_IF_ERROR(store->Backup(path));
    state = StateOf(store->GetStats());
  } else {
    RLHF_ASSIGN_OR_RETURN(state, BackupThroughService(config, path));
  }
  std::cout << Counted(state.num_comparisons(), "comparison") << " copied to "
            << path << " and verified\n";
  return absl::OkStatus();
}

absl::Status VerifyStore(const v1::RunConfig& config) {
  StoreContext context;
  // Opening it proves all of it.
  RLHF_ASSIGN_OR_RETURN(const auto store, OpenUnlessServed(config, context));
  v1::StoreState state;
  if (store != nullptr) {
    state = StateOf(store->GetStats());
  } else {
    RLHF_ASSIGN_OR_RETURN(const auto service, ServiceOf(config));
    RLHF_ASSIGN_OR_RETURN(const auto call, OperatorContext(config, kTimeout));
    RLHF_RETURN_IF_ERROR(
        FromGrpcStatus(service->Verify(call.get(), {}, &state)));
  }
  std::cout << Counted(state.num_comparisons(), "comparison") << ", "
            << state.num_retracted() << " of them retracted, of "
            << Counted(state.num_workers(), "worker")
            << ": the chain holds\nhead " << state.chain_head() << "\n";
  return absl::OkStatus();
}

}  // namespace rlhf
