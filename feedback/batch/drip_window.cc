#include "feedback/batch/drip_window.h"

#include <algorithm>
#include <map>
#include <utility>

namespace rlhf {
namespace {

void AddShare(const SeenShare& more, SeenShare& sum) {
  sum.count += more.count;
  sum.total += more.total;
}

void AddAnswers(const AnswerEvidence& more, AnswerEvidence& sum) {
  for (SeenShare AnswerEvidence::*const share :
       {&AnswerEvidence::left, &AnswerEvidence::longer,
        &AnswerEvidence::too_fast, &AnswerEvidence::gold_right,
        &AnswerEvidence::pm_agrees, &AnswerEvidence::edits_agree,
        &AnswerEvidence::others_agree}) {
    AddShare(more.*share, sum.*share);
  }
}

// Both in order of names.
void AddWorkers(const std::vector<AnswerEvidence>& more,
                std::vector<AnswerEvidence>& sum) {
  for (const AnswerEvidence& worker : more) {
    auto place = std::lower_bound(
        sum.begin(), sum.end(), worker.worker_id,
        [](const AnswerEvidence& one, const std::string& name) {
          return one.worker_id < name;
        });
    if (place == sum.end() || place->worker_id != worker.worker_id) {
      place = sum.insert(place, {.worker_id = worker.worker_id});
    }
    AddAnswers(worker, *place);
  }
}

void AddKinds(const std::vector<std::pair<std::string, int64_t>>& more,
              std::vector<std::pair<std::string, int64_t>>& sum) {
  std::map<std::string, int64_t> kinds(sum.begin(), sum.end());
  for (const auto& [kind, count] : more) kinds[kind] += count;
  sum.assign(kinds.begin(), kinds.end());
}

}  // namespace

void AddEvidence(const BatchEvidence& more, BatchEvidence& sum) {
  sum.num_comparisons += more.num_comparisons;
  for (SeenShare BatchEvidence::*const share :
       {&BatchEvidence::malformed, &BatchEvidence::exact_duplicates,
        &BatchEvidence::near_duplicates, &BatchEvidence::personal_data,
        &BatchEvidence::other_language, &BatchEvidence::unusual_length}) {
    AddShare(more.*share, sum.*share);
  }
  for (int kind = 0; kind < kNumChoiceKinds; ++kind) {
    AddShare(more.choices[kind], sum.choices[kind]);
  }
  AddKinds(more.personal_data_kinds, sum.personal_data_kinds);
  AddAnswers(more.everybody, sum.everybody);
  AddWorkers(more.workers, sum.workers);
}

void DripWindow::Add(Entry entry, int64_t min_size) {
  const int64_t size = std::max(kSize, min_size);
  num_comparisons_ += entry.evidence.num_comparisons;
  entries_.push_back(std::move(entry));
  while (num_comparisons_ - entries_.front().evidence.num_comparisons >= size) {
    num_comparisons_ -= entries_.front().evidence.num_comparisons;
    entries_.pop_front();
  }
}

BatchEvidence DripWindow::SumWith(const BatchEvidence& newest) const {
  BatchEvidence sum = newest;
  for (AnswerEvidence& worker : sum.workers) worker.twin = {};
  for (const Entry& entry : entries_) AddEvidence(entry.evidence, sum);
  return sum;
}

std::vector<std::string> DripWindow::comparison_ids() const {
  std::vector<std::string> ids;
  for (const Entry& entry : entries_) {
    ids.insert(ids.end(), entry.comparison_ids.begin(),
               entry.comparison_ids.end());
  }
  return ids;
}

std::vector<std::string> DripWindow::batch_ids() const {
  std::vector<std::string> ids;
  for (const Entry& entry : entries_) {
    const bool is_new =
        !entry.batch_id.empty() &&
        std::find(ids.begin(), ids.end(), entry.batch_id) == ids.end();
    if (is_new) ids.push_back(entry.batch_id);
  }
  return ids;
}

}  // namespace rlhf
