// What the log tells of each worker: how many answers, how good, how fast, and
// how far workers agree.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "feedback/workers/agreement.h"
#include "feedback/workers/copies.h"
#include "feedback/workers/habits.h"
#include "feedback/workers/worker_test.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Whether a gold answer is right; nullopt if the worker skipped it. In the
// stored answer to a gold question, A is the response that is right to prefer.
std::optional<bool> GoldIsRight(const v1::Comparison& comparison);

struct WorkerView {
  std::string worker_id;
  // Gold and extra ones among them.
  int64_t num_answers = 0;
  int64_t num_extra = 0;
  int64_t num_gold = 0;
  int64_t num_gold_right = 0;
  WorkerVerdict verdict = WorkerVerdict::kUndecided;
  ShareEstimate left;
  ShareEstimate longer;
  // Of the last answers that say how long they took; nullopt without any.
  std::optional<double> median_seconds;
  // Of the pairs of answers, this worker's and another's to one task, those
  // that say the same is better. Nullopt without pairs.
  std::optional<double> agreement;
};

struct AgreementView {
  // Fleiss' kappa of A better, B better, neither. Nullopt: nothing to go by.
  std::optional<double> kappa;
  // Krippendorff's alpha of the choice with its strength, in seven steps.
  std::optional<double> alpha;
  // Pairs of answers of two workers to one task.
  int64_t num_pairs = 0;
};

// Counts answers to our own tasks; imported comparisons say nothing of our
// workers and are passed over. What is said of agreement is said of the last
// kMaxItems tasks; answers to gold and extra ones are left out of it.
// Thread-compatible.
class WorkerLedger {
 public:
  static constexpr size_t kMaxItems = 20'000;

  explicit WorkerLedger(const WorkerTestRule& rule);

  // Comparisons in the order of the log, with their seq.
  void Add(const v1::Comparison& comparison);

  // Begins the worker's test again: gold answers up to `seq` do not count for
  // it any more.
  void RestartTest(const std::string& worker_id, int64_t seq);

  WorkerVerdict VerdictOf(const std::string& worker_id) const;
  // Whom the test paused.
  std::set<std::string> PausedWorkers() const;
  // Answers, gold among them, and gold answers.
  int64_t NumAnswers(const std::string& worker_id) const;
  int64_t NumGold(const std::string& worker_id) const;

  // Every worker who answered, by name.
  std::vector<WorkerView> Workers() const;
  AgreementView Agreement() const;
  std::vector<CopySuspicion> Copies() const;

 private:
  struct Worker {
    int64_t num_answers = 0;
    int64_t num_extra = 0;
    GoldTally gold;
    // Skipped ones, too.
    int64_t num_gold_seen = 0;
    WorkerTestState test;
    int64_t test_from_seq = 0;
    Habits habits;
    std::deque<float> last_seconds;
  };
  struct Item {
    ItemAnswers answers;
    // Of each answer, from -3 (B is much better) to 3.
    std::vector<int> strengths;
  };

  void AddGold(const v1::Comparison& comparison, Worker& worker);
  void AddToItem(const v1::Comparison& comparison);
  void CountItem(const Item& item, bool add);
  void DropOldItems();
  // Equal and all pairs of each worker.
  std::map<std::string, GoldTally> CountAgreement() const;

  const WorkerTestRule rule_;
  std::map<std::string, Worker> workers_;
  // By a hash of prompt and responses; the oldest are dropped.
  std::map<uint64_t, Item> items_;
  std::deque<uint64_t> item_order_;
  Coincidences choices_;
  Coincidences strengths_;
};

}  // namespace rlhf
