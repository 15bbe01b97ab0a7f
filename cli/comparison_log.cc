#include "cli/comparison_log.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "feedback/open_store.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(60);
// What one call reads, so that it ends in time.
constexpr int64_t kPageRows = 1000;

}  // namespace

absl::StatusOr<std::unique_ptr<PreferenceStore>> StoreContext::Open(
    const v1::RunConfig& config) {
  return OpenPreferenceStore(config, &clock, &metrics);
}

absl::StatusOr<std::unique_ptr<const ComparisonLog>> ComparisonLog::Open(
    const v1::RunConfig& config) {
  if (!PreferenceStoreExists(config)) {
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
  log->service_ = std::make_unique<RoleClients>(config, kCallTimeout);
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

absl::StatusOr<std::vector<v1::Comparison>> ComparisonLog::ReadAll() const {
  std::vector<v1::Comparison> all;
  for (int64_t seq = 1; seq <= num_comparisons_; seq += kPageRows) {
    RLHF_ASSIGN_OR_RETURN(
        auto page, Read(seq, std::min(num_comparisons_, seq + kPageRows - 1)));
    std::move(page.begin(), page.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace rlhf
