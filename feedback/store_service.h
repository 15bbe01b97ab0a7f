// The Store RPCs (proto/rlhf/v1/store.proto) over the preference store.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "feedback/access/access_control.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/store.grpc.pb.h"

namespace rlhf {

// What a store says of itself.
v1::StoreState StateOf(const PreferenceStore::Stats& stats);

// Thread-safe.
class StoreService final : public v1::Store::Service {
 public:
  // `store` and `access` (null: no login) are not owned and must outlive the
  // service. Backups are made in `folder`.
  StoreService(const PreferenceStore* store, std::string folder,
               AccessControl* access)
      : store_(store), folder_(std::move(folder)), access_(access) {}

  grpc::Status Verify(grpc::ServerContext* context,
                      const v1::VerifyStoreRequest* request,
                      v1::StoreState* response) override;
  grpc::Status Backup(grpc::ServerContext* context,
                      const v1::BackupStoreRequest* request,
                      v1::BackupStoreResponse* response) override;
  grpc::Status ListRetractions(
      grpc::ServerContext* context, const v1::ListRetractionsRequest* request,
      grpc::ServerWriter<v1::Retraction>* writer) override;

 private:
  absl::Status BackUp(const std::string& name,
                      v1::BackupStoreResponse& response);
  absl::Status StreamRetractions(grpc::ServerWriter<v1::Retraction>& writer);

  const PreferenceStore* const store_;
  const std::string folder_;
  AccessControl* const access_;
};

}  // namespace rlhf
