// What people and the crowd have said in a run, counted comparison by
// comparison. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "cli/elo_report.h"
#include "cli/policy_games.h"
#include "feedback/workers/pauses.h"
#include "feedback/workers/worker_ledger.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

struct ReportedWorker {
  WorkerView view;
  // A person's word; not `paused` if nobody has said anything.
  PersonsWord word;
};

struct People {
  int64_t num_comparisons = 0;
  int64_t num_imported = 0;
  // By choice, without what was taken back and extra answers.
  std::map<v1::Choice, int64_t> choices;
  // Comparisons in the log by the minute since 1970 in which they came.
  std::map<int64_t, int64_t> per_minute;
  std::vector<ReportedWorker> workers;
  AgreementView agreement;
  // By people's choices; the policy of the lowest version has Elo 0.
  absl::StatusOr<EloReport> elo = EloReport();
  // The decided comparisons of the versions that lie furthest apart, one of a
  // prompt, those further apart first.
  std::vector<v1::Comparison> furthest;
};

class PeopleTally {
 public:
  // More versions take too long to rate.
  static constexpr size_t kMostRated = 200;
  // Of People::furthest.
  static constexpr size_t kMostFurthest = 4;

  // With what persons have said of workers. Errors: as MakeWorkerTestRule.
  static absl::StatusOr<PeopleTally> Create(const v1::WorkerTestConfig& config,
                                            PersonsWords words);

  // In the order of the log.
  void Add(const v1::Comparison& comparison);

  // To be asked once.
  People Finish();

 private:
  PeopleTally(const WorkerTestRule& rule, PersonsWords words);
  void AddToFurthest(const v1::Comparison& comparison);

  const PersonsWords words_;
  People people_;
  WorkerLedger ledger_;
  PolicyGames games_;
};

}  // namespace rlhf
