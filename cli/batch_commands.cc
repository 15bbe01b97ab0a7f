#include "cli/batch_commands.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "cli/feedback_accounts.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/permissions.h"
#include "core/rpc/rpc_identity.h"
#include "feedback/open_store.h"
#include "feedback/open_work.h"

namespace rlhf {
namespace {

constexpr size_t kPieceBytes = 1 << 20;
// A batch of many thousands is read, compared with the log and scored.
constexpr absl::Duration kImportTimeout = absl::Minutes(10);
constexpr absl::Duration kCallTimeout = absl::Seconds(60);

// A connection that cannot be made does not say where to.
absl::Status ToldBy(const v1::RunConfig& config, const grpc::Status& status) {
  const absl::Status told = FromGrpcStatus(status);
  if (!absl::IsUnavailable(told)) return told;
  return WithContext(told, config.feedback().address());
}

}  // namespace

// Calls a unary method of the service.
template <typename Response, typename Request>
absl::StatusOr<Response> BatchCommands::Ask(
    grpc::Status (v1::FeedbackImport::Stub::*method)(grpc::ClientContext*,
                                                     const Request&, Response*),
    const Request& request, absl::Duration timeout) const {
  RLHF_ASSIGN_OR_RETURN(const auto context, OperatorContext(config_, timeout));
  Response response;
  const grpc::Status status =
      (service_.get()->*method)(context.get(), request, &response);
  if (!status.ok()) return ToldBy(config_, status);
  return response;
}

absl::StatusOr<v1::BatchReport> BatchCommands::Send(const std::string& text,
                                                    const std::string& name,
                                                    bool dry_run) {
  RLHF_ASSIGN_OR_RETURN(const auto context,
                        OperatorContext(config_, kImportTimeout));
  v1::BatchReport report;
  const auto writer = service_->Import(context.get(), &report);
  size_t begin = 0;
  do {
    v1::ImportPiece piece;
    if (begin == 0) {
      piece.set_name(name);
      piece.set_dry_run(dry_run);
    }
    piece.set_text(text.substr(begin, kPieceBytes));
    begin += kPieceBytes;
    piece.set_last(begin >= text.size());
    if (!writer->Write(piece)) break;  // Finish says why
  } while (begin < text.size());
  writer->WritesDone();
  const grpc::Status status = writer->Finish();
  if (!status.ok()) return ToldBy(config_, status);
  return report;
}

absl::StatusOr<std::unique_ptr<BatchCommands>> BatchCommands::Open(
    const v1::RunConfig& config, bool create) {
  if (!create) {
    RLHF_ASSIGN_OR_RETURN(const bool exists, PreferenceStoreExists(config));
    if (!exists) {
      return absl::NotFoundError(
          absl::StrCat(PreferenceStoreName(config),
                       ": there is no preference store, so there are no "
                       "batches"));
    }
  }
  std::unique_ptr<BatchCommands> commands(new BatchCommands(config));
  auto store = commands->context_.Open(config);
  if (absl::IsFailedPrecondition(store.status())) {
    RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                          RpcIdentity::Load(config, kOperatorRole));
    commands->service_ = v1::FeedbackImport::NewStub(
        MakeChannel(config.feedback().address(), self, "feedback"));
    return commands;
  }
  RLHF_RETURN_IF_ERROR(store.status());
  commands->store_ = *std::move(store);
  auto options = BatchDeskOptions(config.feedback());
  RLHF_RETURN_IF_ERROR(
      WithContext(options.status(), "feedback.gold_questions"));
  const std::string open_work = FeedbackFolder(config) + "/open_work";
  options->forget_worker = [open_work](const std::string& worker_id) {
    return OpenWork::RemoveWorker(open_work, worker_id);
  };
  options->forget_answers = [open_work](const std::vector<std::string>& ids) {
    return OpenWork::RemoveAnswers(open_work, ids);
  };
  PreferenceStore* const log = commands->store_.get();
  commands->desk_ = std::make_unique<BatchDesk>(
      *std::move(options), log,
      [log](const std::vector<v1::Comparison>& comparisons) {
        return log->AppendAll(comparisons);
      },
      /*margins=*/nullptr, &commands->context_.clock,
      &commands->context_.metrics);
  return commands;
}

absl::StatusOr<v1::BatchReport> BatchCommands::Import(const std::string& text,
                                                      const std::string& name,
                                                      bool dry_run) {
  if (service_ != nullptr) return Send(text, name, dry_run);
  return desk_->Import({.text = text, .name = name, .dry_run = dry_run});
}

absl::StatusOr<v1::BatchList> BatchCommands::List(
    const v1::ListBatchesRequest& request) const {
  if (service_ == nullptr) return desk_->List(request);
  return Ask(&v1::FeedbackImport::Stub::ListBatches, request, kCallTimeout);
}

absl::StatusOr<v1::BatchReport> BatchCommands::Get(
    const std::string& batch_id) const {
  if (service_ == nullptr) return desk_->Get(batch_id);
  v1::GetBatchRequest request;
  request.set_batch_id(batch_id);
  return Ask(&v1::FeedbackImport::Stub::GetBatch, request, kCallTimeout);
}

absl::StatusOr<v1::BatchReport> BatchCommands::Decide(
    const v1::DecideBatchRequest& request) {
  if (service_ == nullptr) return desk_->Decide(request);
  return Ask(&v1::FeedbackImport::Stub::DecideBatch, request, kImportTimeout);
}

absl::StatusOr<v1::RetractResponse> BatchCommands::Retract(
    const v1::RetractRequest& request) {
  if (service_ == nullptr) return desk_->Retract(request);
  return Ask(&v1::FeedbackImport::Stub::Retract, request, kImportTimeout);
}

}  // namespace rlhf
