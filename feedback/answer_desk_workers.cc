// What the desk knows of workers, and what people say of them.

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "feedback/answer_desk.h"

namespace rlhf {

absl::Status AnswerDesk::SetPaused(const std::string& worker_id, bool paused,
                                   const std::string& by,
                                   const std::string& reason) {
  // One at a time, so that a file has all that was said before.
  MutexLock pausing(&pausing_);
  const PersonsWord word = {.paused = paused,
                            .by = by,
                            .reason = reason,
                            .seq = store_->GetTotals().num_comparisons};
  std::string path;
  PersonsWords words;
  {
    MutexLock lock(&mutex_);
    path = book_->pauses_path();
    words = book_->WordsWith(worker_id, word);
    // A pause protects what is learned: it waits for no disk.
    if (paused) book_->SetWord(worker_id, word);
    UpdateGauges();
  }
  const absl::Status kept =
      path.empty() ? absl::OkStatus() : WritePersonsWords(path, words);
  if (!kept.ok() && paused) {
    return absl::Status(
        kept.code(),
        absl::StrCat(kept.message(), "; \"", worker_id,
                     "\" is paused until this service stops: pause again "
                     "once that can be written"));
  }
  if (!kept.ok() || paused) return kept;
  MutexLock lock(&mutex_);
  book_->SetWord(worker_id, word);
  UpdateGauges();
  return absl::OkStatus();
}

bool AnswerDesk::Knows(const std::string& worker_id) const {
  if (store_->NumOfWorker(worker_id) > 0 ||
      store_->IsRetractedWorker(worker_id)) {
    return true;
  }
  MutexLock lock(&mutex_);
  return book_->HasWordOn(worker_id) || scheduler_.HasTaskOf(worker_id);
}

std::vector<WorkerStatus> AnswerDesk::Workers() const {
  MutexLock lock(&mutex_);
  return book_->Workers();
}

AgreementView AnswerDesk::Agreement() const {
  MutexLock lock(&mutex_);
  return book_->ledger().Agreement();
}

WorkerLedger AnswerDesk::CopyOfLedger() const {
  MutexLock lock(&mutex_);
  return book_->ledger();
}

std::vector<CopySuspicion> AnswerDesk::Copies() const {
  // Pairs of workers on all tasks: too long to keep the others waiting.
  const WorkerLedger ledger = CopyOfLedger();
  return ledger.Copies();
}

}  // namespace rlhf
