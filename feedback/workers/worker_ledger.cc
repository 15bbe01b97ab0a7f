#include "feedback/workers/worker_ledger.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/comparisons/choice.h"

namespace rlhf {
namespace {

// The median is of so many answers: how fast a worker is now.
constexpr size_t kSecondsRemembered = 101;

// -3 (B is much better) to 3; 0 where neither is better.
int SignedStrength(const v1::Comparison& comparison) {
  if (!IsDecided(comparison)) return 0;
  const int strength = std::clamp(comparison.strength(), 1, 3);
  return comparison.choice() == v1::A_BETTER ? strength : -strength;
}

int Sign(int value) { return (value > 0) - (value < 0); }

uint64_t ItemKey(const v1::Comparison& comparison) {
  // Lengths keep the parts apart.
  return Xxh3(absl::StrCat(
      comparison.prompt().prompt_id(), "/", comparison.policy_version_a(), "/",
      comparison.policy_version_b(), "/", comparison.task_kind(), "/",
      comparison.response_a().size(), "/", comparison.response_a(),
      comparison.response_b()));
}

std::optional<double> Median(const std::deque<float>& values) {
  if (values.empty()) return std::nullopt;
  std::vector<float> sorted(values.begin(), values.end());
  const auto middle = sorted.begin() + sorted.size() / 2;
  std::nth_element(sorted.begin(), middle, sorted.end());
  return *middle;
}

}  // namespace

std::optional<bool> GoldIsRight(const v1::Comparison& comparison) {
  if (comparison.choice() == v1::SKIPPED) return std::nullopt;
  return comparison.choice() == v1::A_BETTER;
}

WorkerLedger::WorkerLedger(const WorkerTestRule& rule)
    : rule_(rule), choices_(3), strengths_(7) {}

void WorkerLedger::Add(const v1::Comparison& comparison) {
  if (!IsJudgedHere(comparison) || comparison.choice() == v1::RETRACTED) return;
  Worker& worker = workers_[comparison.worker_id()];
  ++worker.num_answers;
  worker.num_extra += comparison.extra() ? 1 : 0;
  worker.habits.Add(comparison);
  if (comparison.worker_seconds() > 0) {
    worker.last_seconds.push_back(
        static_cast<float>(comparison.worker_seconds()));
    if (worker.last_seconds.size() > kSecondsRemembered) {
      worker.last_seconds.pop_front();
    }
  }
  if (IsGold(comparison)) {
    AddGold(comparison, worker);
  } else if (Counts(comparison) && comparison.choice() != v1::SKIPPED) {
    AddToItem(comparison);
  }
}

void WorkerLedger::AddGold(const v1::Comparison& comparison, Worker& worker) {
  ++worker.num_gold_seen;
  const std::optional<bool> right = GoldIsRight(comparison);
  if (!right.has_value()) return;
  ++worker.gold.num_asked;
  worker.gold.num_right += *right;
  if (comparison.seq() > worker.test_from_seq) {
    worker.test = AfterGoldAnswer(rule_, worker.test, *right);
  }
}

void WorkerLedger::AddToItem(const v1::Comparison& comparison) {
  const uint64_t key = ItemKey(comparison);
  const auto [found, is_new] = items_.try_emplace(key);
  Item& item = found->second;
  const bool is_repeated = std::any_of(
      item.answers.begin(), item.answers.end(), [&](const ItemAnswer& answer) {
        return answer.worker_id == comparison.worker_id();
      });
  if (is_repeated) return;
  CountItem(item, /*add=*/false);
  const int strength = SignedStrength(comparison);
  item.answers.push_back({comparison.worker_id(), Sign(strength)});
  item.strengths.push_back(strength);
  CountItem(item, /*add=*/true);
  if (!is_new) return;
  item_order_.push_back(key);
  DropOldItems();
}

void WorkerLedger::CountItem(const Item& item, bool add) {
  if (item.answers.size() < 2) return;
  std::vector<int> choices;
  std::vector<int> strengths;
  for (const int strength : item.strengths) {
    choices.push_back(Sign(strength) + 1);
    strengths.push_back(strength + 3);
  }
  if (add) {
    choices_.Add(choices);
    strengths_.Add(strengths);
  } else {
    choices_.Remove(choices);
    strengths_.Remove(strengths);
  }
}

void WorkerLedger::DropOldItems() {
  while (item_order_.size() > kMaxItems) {
    const auto oldest = items_.find(item_order_.front());
    CountItem(oldest->second, /*add=*/false);
    items_.erase(oldest);
    item_order_.pop_front();
  }
}

void WorkerLedger::RestartTest(const std::string& worker_id, int64_t seq) {
  Worker& worker = workers_[worker_id];
  worker.test = WorkerTestState();
  worker.test_from_seq = seq;
}

WorkerVerdict WorkerLedger::VerdictOf(const std::string& worker_id) const {
  const auto worker = workers_.find(worker_id);
  return worker == workers_.end() ? WorkerVerdict::kUndecided
                                  : worker->second.test.verdict;
}

std::set<std::string> WorkerLedger::PausedWorkers() const {
  std::set<std::string> paused;
  for (const auto& [worker_id, worker] : workers_) {
    if (worker.test.verdict == WorkerVerdict::kPaused) paused.insert(worker_id);
  }
  return paused;
}

int64_t WorkerLedger::NumAnswers(const std::string& worker_id) const {
  const auto worker = workers_.find(worker_id);
  return worker == workers_.end() ? 0 : worker->second.num_answers;
}

int64_t WorkerLedger::NumGold(const std::string& worker_id) const {
  const auto worker = workers_.find(worker_id);
  return worker == workers_.end() ? 0 : worker->second.num_gold_seen;
}

std::map<std::string, GoldTally> WorkerLedger::CountAgreement() const {
  std::map<std::string, GoldTally> tallies;
  for (const auto& [key, item] : items_) {
    for (size_t i = 0; i < item.answers.size(); ++i) {
      GoldTally& tally = tallies[item.answers[i].worker_id];
      for (size_t j = 0; j < item.answers.size(); ++j) {
        if (i == j) continue;
        ++tally.num_asked;
        tally.num_right += item.answers[i].value == item.answers[j].value;
      }
    }
  }
  return tallies;
}

std::vector<WorkerView> WorkerLedger::Workers() const {
  const std::map<std::string, GoldTally> agreement = CountAgreement();
  std::vector<WorkerView> views;
  for (const auto& [worker_id, worker] : workers_) {
    WorkerView view = {.worker_id = worker_id,
                       .num_answers = worker.num_answers,
                       .num_extra = worker.num_extra,
                       .num_gold = worker.gold.num_asked,
                       .num_gold_right = worker.gold.num_right,
                       .verdict = worker.test.verdict,
                       .left = worker.habits.left(),
                       .longer = worker.habits.longer(),
                       .median_seconds = Median(worker.last_seconds)};
    const auto pairs = agreement.find(worker_id);
    if (pairs != agreement.end() && pairs->second.num_asked > 0) {
      view.agreement = static_cast<double>(pairs->second.num_right) /
                       static_cast<double>(pairs->second.num_asked);
    }
    views.push_back(std::move(view));
  }
  return views;
}

AgreementView WorkerLedger::Agreement() const {
  return {.kappa = choices_.FleissKappa(),
          .alpha = strengths_.Alpha(Scale::kOrdinal),
          .num_pairs = choices_.num_pairs()};
}

std::vector<CopySuspicion> WorkerLedger::Copies() const {
  std::vector<ItemAnswers> items;
  for (const auto& [key, item] : items_) {
    if (item.answers.size() > 1) items.push_back(item.answers);
  }
  std::map<std::string, GoldTally> gold;
  for (const auto& [worker_id, worker] : workers_) {
    gold[worker_id] = worker.gold;
  }
  return FindCopies(items, gold);
}

}  // namespace rlhf
