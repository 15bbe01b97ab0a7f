// The Feedback RPCs (proto/rlhf/v1/feedback.proto) over the preference store.
#pragma once

#include "absl/status/status.h"
#include "feedback/answer_desk.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/feedback.grpc.pb.h"

namespace rlhf {

// Thread-safe.
class FeedbackService final : public v1::Feedback::Service {
 public:
  // Neither is owned; both must outlive the service.
  FeedbackService(const PreferenceStore* store, const AnswerDesk* desk)
      : store_(store), desk_(desk) {}

  grpc::Status GetStats(grpc::ServerContext* context,
                        const v1::GetFeedbackStatsRequest* request,
                        v1::FeedbackStats* response) override;

  grpc::Status ReadComparisons(
      grpc::ServerContext* context, const v1::ReadComparisonsRequest* request,
      grpc::ServerWriter<v1::Comparison>* writer) override;

 private:
  absl::Status StreamComparisons(const v1::ReadComparisonsRequest& request,
                                 grpc::ServerWriter<v1::Comparison>& writer);

  const PreferenceStore* const store_;
  const AnswerDesk* const desk_;
};

}  // namespace rlhf
