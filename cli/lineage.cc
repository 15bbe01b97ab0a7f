#include "cli/lineage.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/hash.h"
#include "core/comparisons/choice.h"
#include "trainer/pm_data.h"

namespace rlhf {
namespace {

// The number of the retraction; one that is not told yet comes after all.
int64_t NumberOfRetraction(const RunRecords& records, int64_t seq) {
  const auto found = records.retraction_numbers.find(seq);
  return found == records.retraction_numbers.end()
             ? std::numeric_limits<int64_t>::max()
             : found->second;
}

// How PM `version` was trained; null: not known.
const PmTraining* FindTraining(const RunRecords& records, int64_t version) {
  const auto found = records.trainings.find(version);
  return found == records.trainings.end() ? nullptr : &found->second;
}

// Whether a PM that was trained so grew from one of `taught`; where it is not
// known, any before it may have been the one.
bool Inherits(const RunRecords& records, const PmTraining* training,
              const std::set<int64_t>& taught) {
  if (training != nullptr) return taught.contains(training->started_from);
  return records.preference.refresh_mode() ==
             v1::PreferenceConfig::WARM_START &&
         !taught.empty();
}

void CountName(const std::string& name, std::map<std::string, int64_t>& names) {
  if (!name.empty()) ++names[name];
}

}  // namespace

void AddRetraction(const v1::Retraction& retraction, RunRecords& records) {
  const int64_t seq = retraction.seq();
  records.retraction_numbers[seq] = retraction.number();
  const std::string& digest = retraction.replaced_by() > 0
                                  ? retraction.replaced_worker_digest()
                                  : retraction.worker_digest();
  if (!digest.empty()) records.retracted_workers[seq] = digest;
}

bool IsOfWorker(const RunRecords& records, const v1::Comparison& comparison,
                const std::string& worker_id) {
  if (comparison.choice() != v1::RETRACTED) {
    return comparison.worker_id() == worker_id;
  }
  const auto found = records.retracted_workers.find(comparison.seq());
  return found != records.retracted_workers.end() &&
         found->second == Sha256Hex(worker_id);
}

std::set<int64_t> PmsTaughtBy(const RunRecords& records,
                              const v1::Comparison& comparison) {
  std::set<int64_t> taught;
  if (IsGold(comparison)) return taught;
  const int64_t number = comparison.choice() == v1::RETRACTED
                             ? NumberOfRetraction(records, comparison.seq())
                             : std::numeric_limits<int64_t>::max();
  for (const v1::PmReport& pm : records.pms) {
    const PmTraining* const training = FindTraining(records, pm.pm().version());
    const bool read =
        comparison.seq() <= pm.data().last_seq() &&
        number > pm.data().num_retractions() &&
        Teaches(comparison, training == nullptr ? records.preference
                                                : training->preference);
    if (read || Inherits(records, training, taught)) {
      taught.insert(pm.pm().version());
    }
  }
  return taught;
}

std::set<int64_t> PoliciesTaughtBy(const RunRecords& records,
                                   const std::set<int64_t>& pms) {
  std::set<int64_t> taught;
  bool knows = false;
  for (const v1::UpdateReport& update : records.updates) {
    if (update.policy_restarted()) knows = false;
    if (update.left_out().empty() && pms.contains(update.pm().version())) {
      knows = true;
    }
    if (knows) taught.insert(update.policy_version());
  }
  return taught;
}

std::set<int64_t> PmsBehindPolicy(const RunRecords& records,
                                  int64_t policy_version) {
  std::set<int64_t> pms;
  for (const v1::UpdateReport& update : records.updates) {
    if (update.policy_version() > policy_version) break;
    if (update.policy_restarted()) pms.clear();
    if (update.left_out().empty()) pms.insert(update.pm().version());
  }
  return pms;
}

std::set<int64_t> PmsOfUnknownTraining(const RunRecords& records) {
  std::set<int64_t> unknown;
  for (const v1::PmReport& pm : records.pms) {
    const int64_t version = pm.pm().version();
    if (FindTraining(records, version) == nullptr) unknown.insert(version);
  }
  return unknown;
}

void CountTeacher(const RunRecords& records, const std::set<int64_t>& pms,
                  const v1::Comparison& comparison, Teachers& teachers) {
  ++teachers.num_comparisons;
  const std::set<int64_t> taught = PmsTaughtBy(records, comparison);
  if (std::none_of(taught.begin(), taught.end(),
                   [&](int64_t version) { return pms.contains(version); })) {
    return;
  }
  ++teachers.num_teaching;
  CountName(comparison.worker_id(), teachers.workers);
  CountName(comparison.batch_id(), teachers.batches);
  CountName(comparison.source(), teachers.sources);
}

void CountPupils(const RunRecords& records, const v1::Comparison& comparison,
                 Pupils& pupils) {
  ++pupils.num_comparisons;
  if (comparison.choice() == v1::RETRACTED) ++pupils.num_retracted;
  const std::set<int64_t> taught = PmsTaughtBy(records, comparison);
  if (!taught.empty()) ++pupils.num_teaching;
  pupils.pms.insert(taught.begin(), taught.end());
}

std::string VersionList(const std::set<int64_t>& versions) {
  if (versions.empty()) return "none";
  std::vector<std::string> parts;
  for (auto it = versions.begin(); it != versions.end();) {
    const int64_t first = *it;
    int64_t last = first;
    while (++it != versions.end() && *it == last + 1) last = *it;
    parts.push_back(first == last ? absl::StrCat("v", first)
                                  : absl::StrCat("v", first, " to v", last));
  }
  return absl::StrJoin(parts, ", ");
}

}  // namespace rlhf
