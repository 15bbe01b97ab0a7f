#include "cli/comparison_log.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/rpc/permissions.h"
#include "feedback/comparison_pages.h"
#include "feedback/open_store.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(60);

}  // namespace

absl::StatusOr<std::unique_ptr<PreferenceStore>> StoreContext::Open(
    const v1::RunConfig& config) {
  return OpenPreferenceStore(config, &clock, &metrics);
}

absl::StatusOr<std::unique_ptr<const ComparisonLog>> ComparisonLog::Open(
    const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const bool exists, PreferenceStoreExists(config));
  if (!exists) {
    return absl::NotFoundError(
        absl::StrCat(PreferenceStoreName(config),
                     ": there is no preference store; it is made when the run "
                     "starts or a batch is imported"));
  }
  std::unique_ptr<ComparisonLog> log(new ComparisonLog());
  auto store = log->context_.Open(config);
  if (store.ok()) {
    log->store_ = *std::move(store);
    log->num_comparisons_ = log->store_->GetStats().num_comparisons;
    return log;
  }
  if (!absl::IsFailedPrecondition(store.status())) return store.status();
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, kOperatorRole));
  log->service_ = std::make_unique<RoleClients>(config, self, kCallTimeout);
  RLHF_ASSIGN_OR_RETURN(const v1::FeedbackStats stats,
                        log->service_->Feedback());
  log->num_comparisons_ = stats.num_comparisons();
  return log;
}

absl::StatusOr<std::vector<v1::Comparison>> ComparisonLog::Read(
    int64_t first_seq, int64_t last_seq) const {
  return store_ != nullptr ? store_->Read(first_seq, last_seq)
                           : service_->Comparisons(first_seq, last_seq);
}

absl::Status ComparisonLog::ForEach(
    int64_t num_comparisons,
    const std::function<absl::Status(const v1::Comparison&)>& take) const {
  return ForEachComparison(
      1, num_comparisons,
      [this](int64_t first, int64_t last) { return Read(first, last); }, take);
}

absl::StatusOr<std::vector<v1::Retraction>> ComparisonLog::Retractions() const {
  if (store_ == nullptr) return service_->Retractions();
  return store_->ReadRetractions(1, store_->GetStats().num_retracted);
}

}  // namespace rlhf
