// What people see and decide at the batch desk: which batches came, what
// becomes of those that wait, and which comparisons to take back.
#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk.h"
#include "feedback/import_export.h"
#include "feedback/one_line.h"

namespace rlhf {
namespace {

// Batches in one list.
constexpr int32_t kMaxListed = 1000;
constexpr int32_t kUsuallyListed = 100;

// Batches read from the store at once.
constexpr int64_t kPageBatches = 500;

absl::StatusOr<std::vector<v1::Comparison>> ComparisonsOf(
    const StoredBatch& batch) {
  if (batch.payload.empty()) return std::vector<v1::Comparison>();
  RLHF_ASSIGN_OR_RETURN(
      ParsedComparisons parsed,
      ParseComparisons(batch.payload, "batch " + batch.batch_id));
  return std::move(parsed.comparisons);
}

bool IsSelected(const v1::Comparison& comparison,
                const v1::RetractRequest& request) {
  if (!request.worker_id().empty()) {
    return comparison.worker_id() == request.worker_id();
  }
  const auto& ids = request.comparison_ids();
  return std::find(ids.begin(), ids.end(), comparison.comparison_id()) !=
         ids.end();
}

}  // namespace

absl::StatusOr<v1::BatchReport> BatchDesk::ReportNow(
    const StoredBatch& batch) const {
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportOf(batch));
  // The report was written before they were taken back.
  report.set_num_retracted(
      report.num_retracted() +
      static_cast<int32_t>(store_->NumRetractedOfBatch(batch.batch_id)));
  RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Retraction> retraction,
                        store_->RetractionOfBatch(batch.batch_id));
  if (!retraction.has_value()) return report;
  v1::BatchRetraction* const told = report.mutable_retraction();
  told->set_by(retraction->who());
  told->set_reason(retraction->reason());
  told->set_unix_ms(retraction->retracted_unix_ms());
  return report;
}

absl::StatusOr<v1::BatchList> BatchDesk::List(
    const v1::ListBatchesRequest& request) const {
  if (request.limit() < 0 || request.limit() > kMaxListed) {
    return absl::InvalidArgumentError(absl::StrCat(
        "limit is ", request.limit(), "; wanted 1 to ", kMaxListed));
  }
  const int64_t limit = request.limit() == 0 ? kUsuallyListed : request.limit();
  // One more tells whether there are more.
  RLHF_ASSIGN_OR_RETURN(const std::vector<StoredBatch> batches,
                        store_->ListBatches(limit + 1, request.before()));
  v1::BatchList list;
  for (const StoredBatch& batch : batches) {
    if (list.batches_size() == limit) {
      list.set_has_more(true);
      break;
    }
    RLHF_ASSIGN_OR_RETURN(*list.add_batches(), ReportNow(batch));
  }
  return list;
}

absl::StatusOr<v1::BatchReport> BatchDesk::Get(
    const std::string& batch_id) const {
  RLHF_ASSIGN_OR_RETURN(const StoredBatch batch, store_->GetBatch(batch_id));
  return ReportNow(batch);
}

void BatchDesk::WriteDecision(bool released, const std::string& by,
                              const std::string& reason,
                              v1::BatchReport& report) const {
  v1::BatchDecision* const decision = report.mutable_decision();
  decision->set_released(released);
  decision->set_by(by);
  decision->set_reason(reason);
  decision->set_unix_ms(absl::ToUnixMillis(clock_->Now()));
}

absl::StatusOr<v1::BatchReport> BatchDesk::Decide(
    const v1::DecideBatchRequest& request) {
  MutexLock lock(&mutex_);
  if (request.by().empty() || request.reason().empty()) {
    return absl::InvalidArgumentError(
        "who decides on a batch gives a name and a reason");
  }
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"by\"", request.by()));
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"reason\"", request.reason()));
  RLHF_ASSIGN_OR_RETURN(const StoredBatch batch,
                        store_->GetBatch(request.batch_id()));
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportOf(batch));
  if (batch.state != BatchState::kQuarantined) {
    return absl::FailedPreconditionError(
        absl::StrCat("batch ", batch.batch_id, " is ", BatchStateWord(report),
                     ", not in quarantine: there is nothing to decide"));
  }
  if (request.release()) {
    RLHF_ASSIGN_OR_RETURN(std::vector<v1::Comparison> comparisons,
                          ComparisonsOf(batch));
    // Their lines left it when they were retracted, unless that was cut off.
    const size_t num_left = std::erase_if(
        comparisons,
        [this](const v1::Comparison& c) { return IsOfRetractedWorker(c); });
    report.set_num_of_retracted_workers(report.num_of_retracted_workers() +
                                        static_cast<int32_t>(num_left));
    RLHF_RETURN_IF_ERROR(
        Store(std::move(comparisons), batch.batch_id, report).status());
    // What is released may come: the suspicion ends with it.
    if (report.has_suspects()) {
      memory_.EndWindowOf(report.suspects().origin());
    }
  }
  WriteDecision(request.release(), request.by(), request.reason(), report);
  RLHF_RETURN_IF_ERROR(store_->SetBatchState(batch.batch_id, StateOf(report),
                                             BatchReportJson(report)));
  Count(report);
  return report;
}

absl::StatusOr<v1::RetractResponse> BatchDesk::Retract(
    const v1::RetractRequest& request) {
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"by\"", request.by()));
  RLHF_RETURN_IF_ERROR(CheckIsOneLine("\"reason\"", request.reason()));
  MutexLock lock(&mutex_);
  RLHF_RETURN_IF_ERROR(CheckIsKnown(request));
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> ids,
                        IdsToRetract(request));
  RLHF_ASSIGN_OR_RETURN(BatchesLeft left, BatchesWithout(request));
  const absl::StatusOr<PreferenceStore::Retracted> retracted = store_->Retract(
      {.comparison_ids = ids,
       .worker_id = request.worker_id(),
       .batch_id = request.batch_id()},
      request.reason(), request.by(), std::move(left.changed), left.waited);
  // Batches are held against the log without them from now on. An error may
  // have come after the change.
  if (!retracted.ok() || !retracted->seqs.empty()) ForgetMemory();
  RLHF_RETURN_IF_ERROR(retracted.status());
  if (left.refused.has_value()) Count(*left.refused);
  RLHF_RETURN_IF_ERROR(Forget(request));
  v1::RetractResponse response;
  response.set_num_retracted(static_cast<int64_t>(retracted->seqs.size()));
  response.set_num_retracted_before(retracted->num_retracted_before);
  response.set_num_waiting(static_cast<int64_t>(left.waited.size()));
  return response;
}

absl::Status BatchDesk::Forget(const v1::RetractRequest& request) const {
  if (!request.worker_id().empty() && options_.forget_worker != nullptr) {
    RLHF_RETURN_IF_ERROR(WithContext(
        options_.forget_worker(request.worker_id()),
        "the worker is retracted, but files of feedback/open_work may still "
        "name them; retract the worker again"));
  }
  if (!request.comparison_ids().empty() && options_.forget_answers != nullptr) {
    const auto& ids = request.comparison_ids();
    RLHF_RETURN_IF_ERROR(WithContext(
        options_.forget_answers({ids.begin(), ids.end()}),
        "the comparisons are retracted, but files of feedback/open_work may "
        "still hold their words; retract them again"));
  }
  return absl::OkStatus();
}

absl::Status BatchDesk::CheckIsKnown(const v1::RetractRequest& request) const {
  if (!request.batch_id().empty()) {
    return WithContext(store_->GetBatch(request.batch_id()).status(),
                       "`rlhf feedback batches` lists them");
  }
  const std::string& worker = request.worker_id();
  // What else is wrong with the request, the store says.
  const bool is_of_worker = !worker.empty() && request.batch_id().empty() &&
                            request.comparison_ids().empty() &&
                            !request.by().empty() && !request.reason().empty();
  if (!is_of_worker || store_->IsRetractedWorker(worker) ||
      store_->NumOfWorker(worker) > 0) {
    return absl::OkStatus();
  }
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> waiting,
                        WaitingBatchIds());
  for (const std::string& id : waiting) {
    RLHF_ASSIGN_OR_RETURN(const StoredBatch batch, store_->GetBatch(id));
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                          ComparisonsOf(batch));
    for (const v1::Comparison& one : comparisons) {
      if (one.worker_id() == worker) return absl::OkStatus();
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no comparison of worker \"", worker,
                   "\" is in the log or waits: nothing was retracted. People "
                   "with an account "
                   "are in the log under a pseudonym, which `rlhf feedback "
                   "accounts` shows"));
}

absl::StatusOr<std::vector<std::string>> BatchDesk::IdsToRetract(
    const v1::RetractRequest& request) const {
  std::vector<std::string> ids, elsewhere;
  for (const std::string& id : request.comparison_ids()) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<v1::Comparison> stored,
                          store_->Find(id));
    (stored.has_value() ? ids : elsewhere).push_back(id);
  }
  // What is wrong with the request, the store says.
  const bool is_request = request.worker_id().empty() &&
                          request.batch_id().empty() && !request.by().empty() &&
                          !request.reason().empty();
  if (elsewhere.empty()) return ids;
  std::set<std::string> waiting;
  if (is_request) {
    RLHF_ASSIGN_OR_RETURN(waiting, WaitingIds());
  }
  for (const std::string& id : elsewhere) {
    if (!waiting.contains(id)) ids.push_back(id);
  }
  return ids;
}

absl::StatusOr<std::vector<std::string>> BatchDesk::WaitingBatchIds() const {
  std::vector<std::string> waiting;
  std::string before;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<StoredBatch> page,
                          store_->ListBatches(kPageBatches, before));
    if (page.empty()) return waiting;
    before = page.back().batch_id;
    for (const StoredBatch& batch : page) {
      if (batch.state == BatchState::kQuarantined) {
        waiting.push_back(batch.batch_id);
      }
    }
  }
}

absl::StatusOr<std::set<std::string>> BatchDesk::WaitingIds() const {
  RLHF_ASSIGN_OR_RETURN(const std::vector<std::string> waiting,
                        WaitingBatchIds());
  std::set<std::string> ids;
  for (const std::string& id : waiting) {
    RLHF_ASSIGN_OR_RETURN(const StoredBatch batch, store_->GetBatch(id));
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                          ComparisonsOf(batch));
    for (const v1::Comparison& one : comparisons) {
      ids.insert(one.comparison_id());
    }
  }
  return ids;
}

absl::StatusOr<BatchDesk::BatchesLeft> BatchDesk::BatchesWithout(
    const v1::RetractRequest& request) const {
  BatchesLeft left;
  if (!request.batch_id().empty()) {
    RLHF_RETURN_IF_ERROR(TakeBack(request, left));
    return left;
  }
  std::string before;
  while (true) {
    RLHF_ASSIGN_OR_RETURN(std::vector<StoredBatch> page,
                          store_->ListBatches(kPageBatches, before));
    if (page.empty()) return left;
    before = page.back().batch_id;
    for (StoredBatch& batch : page) {
      RLHF_RETURN_IF_ERROR(TakeOut(request, std::move(batch), left));
    }
  }
}

absl::Status BatchDesk::TakeOut(const v1::RetractRequest& request,
                                StoredBatch batch, BatchesLeft& left) const {
  const bool waits = batch.state == BatchState::kQuarantined;
  if (request.worker_id().empty() && !waits) return absl::OkStatus();
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportOf(batch));
  bool changes =
      !request.worker_id().empty() && ForgetWorker(request.worker_id(), report);
  if (waits) {
    // A list comes without the payloads.
    RLHF_ASSIGN_OR_RETURN(batch, store_->GetBatch(batch.batch_id));
    RLHF_ASSIGN_OR_RETURN(std::vector<v1::Comparison> comparisons,
                          ComparisonsOf(batch));
    const auto num_removed = static_cast<int32_t>(
        std::erase_if(comparisons, [&](const v1::Comparison& comparison) {
          if (!IsSelected(comparison, request)) return false;
          left.waited.push_back(comparison.comparison_id());
          return true;
        }));
    if (num_removed > 0) {
      RLHF_ASSIGN_OR_RETURN(batch.payload, ComparisonLines(comparisons));
      report.set_num_retracted(report.num_retracted() + num_removed);
      changes = true;
    }
  }
  if (!changes) return absl::OkStatus();
  batch.report = BatchReportJson(report);
  left.changed.push_back(std::move(batch));
  return absl::OkStatus();
}

// The store would refuse it too, but not write down in the report who did.
absl::Status BatchDesk::TakeBack(const v1::RetractRequest& request,
                                 BatchesLeft& left) const {
  RLHF_ASSIGN_OR_RETURN(StoredBatch batch,
                        store_->GetBatch(request.batch_id()));
  RLHF_ASSIGN_OR_RETURN(v1::BatchReport report, ReportOf(batch));
  bool changes = ForgetWorkers(report);
  if (batch.state == BatchState::kQuarantined) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<v1::Comparison> comparisons,
                          ComparisonsOf(batch));
    for (const v1::Comparison& comparison : comparisons) {
      left.waited.push_back(comparison.comparison_id());
    }
    WriteDecision(/*released=*/false, request.by(), request.reason(), report);
    batch.state = StateOf(report);
    left.refused = report;
    changes = true;
  }
  if (!changes) return absl::OkStatus();
  batch.report = BatchReportJson(report);
  left.changed.push_back(std::move(batch));
  return absl::OkStatus();
}

}  // namespace rlhf
