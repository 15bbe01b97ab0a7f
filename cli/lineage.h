// Who taught a model, and which models a comparison taught. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/retraction.pb.h"
#include "trainer/pm_training.h"

namespace rlhf {

// What a run has written down, but for the comparisons: they come by one after
// the other, as a log may be long.
struct RunRecords {
  // Of today: for PMs whose training is not known.
  v1::PreferenceConfig preference;
  // How each PM was trained, by version, as its card says.
  std::map<int64_t, PmTraining> trainings;
  // The number of the retraction, by seq of what was taken back.
  std::map<int64_t, int64_t> retraction_numbers;
  // By the same, where a worker was taken back or answered anew: the SHA-256 of
  // the worker_id in hex.
  std::map<int64_t, std::string> retracted_workers;
  // By rising version, and by rising update.
  std::vector<v1::PmReport> pms;
  std::vector<v1::UpdateReport> updates;
};

void AddRetraction(const v1::Retraction& retraction, RunRecords& records);

// Whether the worker gave the comparison; of one that was taken back with all
// of the worker's, or answered anew, the digest tells.
bool IsOfWorker(const RunRecords& records, const v1::Comparison& comparison,
                const std::string& worker_id);

// The PM versions that may have learned from the comparison, each by the
// configuration that it was trained with. What was retracted taught those whose
// data was read before, and those of older versions of rlhf, of which it is not
// known, but for answers to gold questions; whether it said which response is
// better is not known any more. A PM also has what the one that it grew from
// (WARM_START) learned.
std::set<int64_t> PmsTaughtBy(const RunRecords& records,
                              const v1::Comparison& comparison);

// The policy versions that any of these PMs has rewarded, or an earlier version
// that they grew from; a policy that began again from the initial one forgets.
std::set<int64_t> PoliciesTaughtBy(const RunRecords& records,
                                   const std::set<int64_t>& pms);

// The PMs that rewarded a policy version on its way.
std::set<int64_t> PmsBehindPolicy(const RunRecords& records,
                                  int64_t policy_version);

// The PM versions of which only today's configuration tells how they were
// trained: older ones, whose cards do not say it.
std::set<int64_t> PmsOfUnknownTraining(const RunRecords& records);

// Who taught some PMs, counted comparison by comparison. Its size is that of
// the numbers of workers, batches and sources, whatever the length of the log.
struct Teachers {
  // Seen, and of them those that taught any of the PMs.
  int64_t num_comparisons = 0;
  int64_t num_teaching = 0;
  // The latter by what they name; what is empty is not counted.
  std::map<std::string, int64_t> workers, batches, sources;
};
void CountTeacher(const RunRecords& records, const std::set<int64_t>& pms,
                  const v1::Comparison& comparison, Teachers& teachers);

// What some comparisons have taught, counted likewise.
struct Pupils {
  int64_t num_comparisons = 0;
  int64_t num_retracted = 0;
  // Those that may have taught a PM.
  int64_t num_teaching = 0;
  std::set<int64_t> pms;
};
void CountPupils(const RunRecords& records, const v1::Comparison& comparison,
                 Pupils& pupils);

// "v3 to v5, v7"; "none".
std::string VersionList(const std::set<int64_t>& versions);

}  // namespace rlhf
