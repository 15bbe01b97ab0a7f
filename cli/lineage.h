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

namespace rlhf {

// All that a run has written down.
struct RunRecords {
  v1::PreferenceConfig preference;
  // In order of seq.
  std::vector<v1::Comparison> comparisons;
  // Wall clock, by seq of what was taken back.
  std::map<int64_t, int64_t> retracted_unix_ms;
  // By the same, where a worker was taken back: the SHA-256 of the worker_id in
  // hex.
  std::map<int64_t, std::string> retracted_workers;
  // By rising version, and by rising update.
  std::vector<v1::PmReport> pms;
  std::vector<v1::UpdateReport> updates;
};

// Whether the worker gave the comparison; of one that was taken back with all
// of the worker's, the digest tells.
bool IsOfWorker(const RunRecords& records, const v1::Comparison& comparison,
                const std::string& worker_id);

// The PM versions that may have learned from the comparison. What was retracted
// taught those whose data was read before, or in the same millisecond, but for
// answers to gold questions; whether it said which response is better is not
// known any more. With WARM_START a PM also has what the ones before it
// learned.
std::set<int64_t> PmsTaughtBy(const RunRecords& records,
                              const v1::Comparison& comparison);

// The policy versions that any of these PMs has rewarded, or an earlier version
// that they grew from; a policy that began again from the initial one forgets.
std::set<int64_t> PoliciesTaughtBy(const RunRecords& records,
                                   const std::set<int64_t>& pms);

// The PMs that rewarded a policy version on its way.
std::set<int64_t> PmsBehindPolicy(const RunRecords& records,
                                  int64_t policy_version);

// The comparisons that taught any of these PMs, in order.
std::vector<const v1::Comparison*> ComparisonsBehindPms(
    const RunRecords& records, const std::set<int64_t>& pms);

// "v3 to v5, v7"; "none".
std::string VersionList(const std::set<int64_t>& versions);

}  // namespace rlhf
