// The FeedbackImport RPCs (proto/rlhf/v1/feedback_import.proto) over the batch
// desk.
#pragma once

#include "feedback/access/access_control.h"
#include "feedback/batch_desk.h"
#include "rlhf/v1/feedback_import.grpc.pb.h"

namespace rlhf {

// Thread-safe.
class ImportService final : public v1::FeedbackImport::Service {
 public:
  // Larger files are refused before they are held.
  static constexpr size_t kMaxFileBytes = size_t{512} << 20;

  // Not owned; both must outlive the service. `access` may be null: no login.
  ImportService(BatchDesk* desk, AccessControl* access)
      : desk_(desk), access_(access) {}

  grpc::Status Import(grpc::ServerContext* context,
                      grpc::ServerReader<v1::ImportPiece>* reader,
                      v1::BatchReport* response) override;
  grpc::Status ListBatches(grpc::ServerContext* context,
                           const v1::ListBatchesRequest* request,
                           v1::BatchList* response) override;
  grpc::Status GetBatch(grpc::ServerContext* context,
                        const v1::GetBatchRequest* request,
                        v1::BatchReport* response) override;
  grpc::Status DecideBatch(grpc::ServerContext* context,
                           const v1::DecideBatchRequest* request,
                           v1::BatchReport* response) override;
  grpc::Status Retract(grpc::ServerContext* context,
                       const v1::RetractRequest* request,
                       v1::RetractResponse* response) override;

 private:
  BatchDesk* const desk_;
  AccessControl* const access_;
};

}  // namespace rlhf
