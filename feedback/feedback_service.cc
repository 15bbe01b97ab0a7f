#include "feedback/feedback_service.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {

grpc::Status FeedbackService::GetStats(
    grpc::ServerContext* /*context*/,
    const v1::GetFeedbackStatsRequest* /*request*/,
    v1::FeedbackStats* response) {
  const PreferenceStore::Totals totals = store_->GetTotals();
  response->set_num_comparisons(totals.num_comparisons);
  response->set_num_decided(totals.num_decided);
  response->set_chain_head(totals.chain_head);
  response->set_num_workers(totals.num_workers);
  response->set_num_retractions(totals.num_retracted);
  const AnswerDesk::TaskStats tasks = desk_->GetTaskStats();
  response->set_num_ready_tasks(tasks.num_ready);
  response->set_num_answers(tasks.num_answers);
  return grpc::Status::OK;
}

grpc::Status FeedbackService::ReadComparisons(
    grpc::ServerContext* /*context*/, const v1::ReadComparisonsRequest* request,
    grpc::ServerWriter<v1::Comparison>* writer) {
  return ToGrpcStatus(StreamComparisons(*request, *writer));
}

absl::Status FeedbackService::StreamComparisons(
    const v1::ReadComparisonsRequest& request,
    grpc::ServerWriter<v1::Comparison>& writer) {
  if (request.first_seq() < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "first_seq is ", request.first_seq(), "; it must be at least 1"));
  }
  const int64_t num_comparisons = store_->GetTotals().num_comparisons;
  if (request.last_seq() > num_comparisons) {
    return absl::OutOfRangeError(
        absl::StrCat("last_seq is ", request.last_seq(), ", but the log has ",
                     num_comparisons, " comparisons"));
  }
  return store_->ForEach(
      request.first_seq(), request.last_seq(),
      [&writer](const v1::Comparison& comparison) {
        return writer.Write(comparison)
                   ? absl::OkStatus()
                   : absl::CancelledError("the client went away");
      });
}

}  // namespace rlhf
