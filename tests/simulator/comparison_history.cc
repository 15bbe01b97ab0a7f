#include "tests/simulator/comparison_history.h"

#include <set>
#include <utility>

#include "feedback/comparison_chain.h"

namespace rlhf {
namespace {

// Worth another try, with the same id.
bool IsNotDecided(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

}  // namespace

void ComparisonHistory::Answered(
    const Answer& answer,
    const absl::StatusOr<PreferenceStore::Appended>& result) {
  Fate& fate = fates_[answer.comparison_id];
  fate.task_id = answer.task_id;
  fate.worker_id = answer.worker_id;
  fate.strength = answer.strength;
  if (result.ok()) {
    Require(!fate.refused || fate.given_again,
            "what was refused stays refused");
    fate.refused = false;
    Require(fate.seq == 0 ||
                (fate.seq == result->seq && fate.extra == result->extra),
            "a repeated answer is acknowledged as it was before");
    fate.seq = result->seq;
    fate.extra = result->extra;
  } else if (!IsNotDecided(result.status())) {
    Require(fate.seq == 0, "what was acknowledged is not refused later");
    fate.refused = true;
  }
}

void ComparisonHistory::Given(const std::string& worker_id,
                              const std::string& task_id) {
  for (auto& [id, fate] : fates_) {
    if (fate.refused && fate.worker_id == worker_id &&
        fate.task_id == task_id) {
      fate.given_again = true;
    }
  }
}

void ComparisonHistory::CheckAnswer(const v1::Comparison& comparison) {
  const auto found = fates_.find(comparison.comparison_id());
  if (found == fates_.end()) return;  // no answer has left the service yet
  const Fate& fate = found->second;
  Require(!fate.refused, "what was refused is not in the log");
  Require(comparison.worker_id() == fate.worker_id &&
              comparison.strength() == fate.strength,
          "the log holds what the worker said");
  Require(fate.seq == 0 || (fate.seq == comparison.seq() &&
                            fate.extra == comparison.extra()),
          "the log holds what was acknowledged, where it was said to be");
}

void ComparisonHistory::CheckLog(const std::vector<ComparisonRow>& rows) {
  std::vector<v1::Comparison> log;
  std::set<std::string> ids;
  std::string head = ChainStart();
  for (const ComparisonRow& row : rows) {
    const auto comparison = DecodeRow(row, "log");
    if (!comparison.ok()) return Require(false, "the log can be read");
    head = ChainLink(head, row.digest);
    Require(
        row.chain == head && row.seq == static_cast<int64_t>(log.size()) + 1,
        "the log is a chain without gaps");
    Require(ids.insert(row.comparison_id).second,
            "no comparison is stored twice");
    log.push_back(*comparison);
  }
  // Which of two copies is the right one is no question to ask.
  for (const v1::Comparison& comparison : log) CheckAnswer(comparison);
  for (const auto& [id, fate] : fates_) {
    Require(fate.seq == 0 || ids.contains(id),
            "no acknowledged comparison is lost");
  }
  CheckLimits(log);
}

void ComparisonHistory::CheckLimits(const std::vector<v1::Comparison>& log) {
  // Tasks are told apart by what was compared.
  std::map<std::string, int> num_of_task;
  std::map<std::string, int64_t> num_of_worker;
  std::set<std::pair<std::string, std::string>> answered;
  int64_t num_answers = 0;
  for (const v1::Comparison& comparison : log) {
    if (comparison.extra() || untold_.contains(comparison.seq())) continue;
    ++num_answers;
    const std::string& task = comparison.response_a();
    Require(answered.emplace(task, comparison.worker_id()).second,
            "nobody answers a task twice");
    Require(++num_of_task[task] <= limits_.overlap,
            "no task has more answers than it wants");
    Require(++num_of_worker[comparison.worker_id()] <=
                    limits_.max_answers_per_worker ||
                limits_.max_answers_per_worker == 0,
            "nobody gives more answers than one may");
  }
  Require(num_answers <= limits_.max_comparisons,
          "the run has no more answers than it wants");
}

}  // namespace rlhf
