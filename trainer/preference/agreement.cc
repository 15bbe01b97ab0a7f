#include "trainer/preference/agreement.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "trainer/preference/worker_model.h"

namespace rlhf {
namespace {

// By pair, what each worker chose.
using ChoicesByPair = std::map<uint64_t, std::map<std::string, WorkerChoice>>;

void Count(bool alike, AgreementShare& share) {
  ++share.compared;
  share.agree += alike ? 1 : 0;
}

// All couples of workers on one pair.
void CompareWorkers(const std::map<std::string, WorkerChoice>& choices,
                    std::map<std::string, PmWorkerAgreement>& workers,
                    PmAgreement& result) {
  ++result.among_workers.num_pairs;
  ++result.pm_on_shared_pairs.num_pairs;
  for (const auto& [worker, choice] : choices) {
    Count(choice.pm_agrees, result.pm_on_shared_pairs);
    AgreementShare& theirs = workers[worker].with_others;
    ++theirs.num_pairs;
    for (const auto& [other, others_choice] : choices) {
      if (other == worker) continue;
      const bool alike = choice.first_chosen == others_choice.first_chosen;
      Count(alike, theirs);
      if (worker < other) Count(alike, result.among_workers);
    }
  }
}

Json ShareJson(const AgreementShare& share) {
  const Interval interval = share.interval();
  return {{"agree", share.agree},
          {"compared", share.compared},
          {"num_pairs", share.num_pairs},
          {"share", share.share()},
          {"share_95", {interval.low, interval.high}}};
}

}  // namespace

double AgreementShare::share() const {
  return compared == 0
             ? 0
             : static_cast<double>(agree) / static_cast<double>(compared);
}

Interval AgreementShare::interval() const {
  const auto pairs = static_cast<double>(num_pairs);
  return WilsonInterval(share() * pairs, pairs);
}

PmAgreement MeasureAgreement(absl::Span<const WorkerChoice> choices) {
  PmAgreement result;
  ChoicesByPair by_pair;
  std::map<std::string, PmWorkerAgreement> workers;
  std::map<std::string, std::set<uint64_t>> seen;
  for (const WorkerChoice& choice : choices) {
    if (choice.worker.empty()) continue;
    Count(choice.pm_agrees, result.pm_with_workers);
    Count(choice.pm_agrees, workers[choice.worker].with_pm);
    seen[choice.worker].insert(choice.pair);
    by_pair[choice.pair][choice.worker] = choice;
  }
  result.pm_with_workers.num_pairs = static_cast<int64_t>(by_pair.size());
  for (const auto& [pair, theirs] : by_pair) {
    if (theirs.size() > 1) CompareWorkers(theirs, workers, result);
  }
  for (auto& [worker, found] : workers) {
    found.worker = worker;
    found.with_pm.num_pairs = static_cast<int64_t>(seen[worker].size());
    result.workers.push_back(std::move(found));
  }
  std::stable_sort(result.workers.begin(), result.workers.end(),
                   [](const PmWorkerAgreement& a, const PmWorkerAgreement& b) {
                     return a.with_pm.compared > b.with_pm.compared;
                   });
  return result;
}

void HideWorkers(const std::string& secret, PmAgreement& agreement) {
  for (PmWorkerAgreement& one : agreement.workers) {
    one.worker = HiddenWorker(one.worker, secret);
  }
}

Json ToJson(const PmAgreement& agreement) {
  Json workers = Json::array();
  for (const PmWorkerAgreement& one : agreement.workers) {
    workers.push_back({{"worker", one.worker},
                       {"with_pm", ShareJson(one.with_pm)},
                       {"with_others", ShareJson(one.with_others)}});
  }
  return {{"pm_with_workers", ShareJson(agreement.pm_with_workers)},
          {"among_workers", ShareJson(agreement.among_workers)},
          {"pm_on_shared_pairs", ShareJson(agreement.pm_on_shared_pairs)},
          {"paper_researcher_crowdworker", kResearcherCrowdworkerAgreement},
          {"workers", std::move(workers)}};
}

}  // namespace rlhf
