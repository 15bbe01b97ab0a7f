// How often a preference model and people choose alike, and people among
// themselves. Bai et al. 2022 found about 63 % between researchers and
// crowdworkers, and a PM nearer to the crowdworkers than that (§3.4.1, Fig.
// 10).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "core/base/json.h"
#include "trainer/preference/calibration.h"

namespace rlhf {

// Bai et al. 2022, §2.1.
inline constexpr double kResearcherCrowdworkerAgreement = 0.63;

// One worker's choice between two responses.
struct WorkerChoice {
  std::string worker;
  // Names the two responses, whoever was better.
  uint64_t pair = 0;
  // Whether the one that comes first in an order that the pair decides was
  // chosen.
  bool first_chosen = false;
  // Whether the PM scores the chosen one strictly higher.
  bool pm_agrees = false;
};

// `agree` of `compared` are alike.
struct AgreementShare {
  int64_t agree = 0;
  int64_t compared = 0;
  // Pairs of responses that they are about. Several comparisons of one pair are
  // not independent: the interval is of as many as there are pairs.
  int64_t num_pairs = 0;

  // 0 and [0, 1] if nothing was compared.
  double share() const;
  Interval interval() const;
};

struct PmWorkerAgreement {
  std::string worker;
  AgreementShare with_pm;
  // With every other worker who judged the same pair.
  AgreementShare with_others;
};

struct PmAgreement {
  AgreementShare pm_with_workers;
  // Two different workers on one pair, and the PM on the same pairs.
  AgreementShare among_workers;
  AgreementShare pm_on_shared_pairs;
  // By falling number of comparisons with the PM, then name.
  std::vector<PmWorkerAgreement> workers;
};

// Choices without a worker's name are left out. Of several choices of a worker
// on one pair the last one counts among workers. Pure.
PmAgreement MeasureAgreement(absl::Span<const WorkerChoice> choices);

// For what cannot be changed when a worker is forgotten: names become
// HiddenWorker (worker_model.h).
void HideWorkers(const std::string& secret, PmAgreement& agreement);

// Every number, with intervals and the paper's figure beside them.
Json ToJson(const PmAgreement& agreement);

}  // namespace rlhf
