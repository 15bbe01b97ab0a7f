#include "feedback/store_service.h"

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "feedback/rpc_access.h"

namespace rlhf {
namespace {

constexpr int64_t kPageRows = 1000;

}  // namespace

v1::StoreState StateOf(const PreferenceStore::Stats& stats) {
  v1::StoreState state;
  state.set_num_comparisons(stats.num_comparisons);
  state.set_num_retracted(stats.num_tombstones);
  state.set_num_workers(static_cast<int64_t>(stats.num_by_worker.size()));
  state.set_chain_head(stats.chain_head);
  return state;
}

grpc::Status StoreService::Verify(grpc::ServerContext* context,
                                  const v1::VerifyStoreRequest* /*request*/,
                                  v1::StoreState* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  *response = StateOf(store_->GetStats());
  return ToGrpcStatus(store_->VerifyChain());
}

grpc::Status StoreService::Backup(grpc::ServerContext* context,
                                  const v1::BackupStoreRequest* request,
                                  v1::BackupStoreResponse* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  return ToGrpcStatus(BackUp(request->name(), *response));
}

absl::Status StoreService::BackUp(const std::string& name,
                                  v1::BackupStoreResponse& response) {
  if (name.empty() || name[0] == '.' || absl::StrContains(name, '/')) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", name, "\" is no plain name for a file: leave folders out"));
  }
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder_));
  const std::string path = absl::StrCat(folder_, "/", name);
  *response.mutable_state() = StateOf(store_->GetStats());
  RLHF_RETURN_IF_ERROR(store_->Backup(path));
  response.set_path(std::filesystem::absolute(path).string());
  return absl::OkStatus();
}

grpc::Status StoreService::ListRetractions(
    grpc::ServerContext* /*context*/,
    const v1::ListRetractionsRequest* /*request*/,
    grpc::ServerWriter<v1::Retraction>* writer) {
  return ToGrpcStatus(StreamRetractions(*writer));
}

absl::Status StoreService::StreamRetractions(
    grpc::ServerWriter<v1::Retraction>& writer) {
  for (int64_t first = 1;; first += kPageRows) {
    RLHF_ASSIGN_OR_RETURN(
        const std::vector<v1::Retraction> page,
        store_->ReadRetractions(first, first + kPageRows - 1));
    for (const v1::Retraction& retraction : page) {
      if (!writer.Write(retraction)) {
        return absl::CancelledError("the client went away");
      }
    }
    if (page.empty()) return absl::OkStatus();
  }
}

}  // namespace rlhf
