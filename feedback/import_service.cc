#include "feedback/import_service.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "feedback/rpc_access.h"

namespace rlhf {
namespace {

template <typename Response>
grpc::Status Answer(absl::StatusOr<Response> answer, Response* response) {
  if (!answer.ok()) return ToGrpcStatus(answer.status());
  *response = *std::move(answer);
  return grpc::Status::OK;
}

}  // namespace

grpc::Status ImportService::Import(grpc::ServerContext* context,
                                   grpc::ServerReader<v1::ImportPiece>* reader,
                                   v1::BatchReport* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  std::string text, name;
  bool dry_run = false;
  bool whole = false;
  v1::ImportPiece piece;
  while (reader->Read(&piece)) {
    if (name.empty()) {
      name = piece.name();
      dry_run = piece.dry_run();
    }
    if (text.size() + piece.text().size() > kMaxFileBytes) {
      return ToGrpcStatus(absl::InvalidArgumentError(
          absl::StrCat("the file has more than ", kMaxFileBytes >> 20,
                       " MiB; cut it into several")));
    }
    text.append(piece.text());
    whole = piece.last();
  }
  if (name.empty()) {
    return ToGrpcStatus(
        absl::InvalidArgumentError("the first piece names no file"));
  }
  if (!whole) {
    return ToGrpcStatus(absl::InvalidArgumentError(
        "the file broke off: the last piece did not come"));
  }
  return Answer(desk_->Import({.text = text, .name = name, .dry_run = dry_run}),
                response);
}

grpc::Status ImportService::ListBatches(grpc::ServerContext* context,
                                        const v1::ListBatchesRequest* request,
                                        v1::BatchList* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  return Answer(desk_->List(*request), response);
}

grpc::Status ImportService::GetBatch(grpc::ServerContext* context,
                                     const v1::GetBatchRequest* request,
                                     v1::BatchReport* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  return Answer(desk_->Get(request->batch_id()), response);
}

grpc::Status ImportService::DecideBatch(grpc::ServerContext* context,
                                        const v1::DecideBatchRequest* request,
                                        v1::BatchReport* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  v1::DecideBatchRequest decision = *request;
  decision.set_by(caller->NameOr(request->by()));
  return Answer(desk_->Decide(decision), response);
}

grpc::Status ImportService::Retract(grpc::ServerContext* context,
                                    const v1::RetractRequest* request,
                                    v1::RetractResponse* response) {
  const auto caller = AdmitRequester(access_, *context);
  if (!caller.ok()) return ToGrpcStatus(caller.status());
  v1::RetractRequest retraction = *request;
  retraction.set_by(caller->NameOr(request->by()));
  return Answer(desk_->Retract(retraction), response);
}

}  // namespace rlhf
