// What the requester's page asks for, beside what workers ask for: the newest
// comparisons, what they add up to, the run's PMs, and the log as a file. Reads
// only. The batches are told by batch_api.h.
//
//   GET /api/comparisons?last=N   the newest 1 to 100 (default 20), newest
//                                 first: {"comparisons": [as exported]}
//   GET /api/summary              LabelTally
//   GET /api/elo                  EloTally; 413 if too many versions played
//   GET /api/pms                  {"pms": [PmReport as the refresher wrote
//                                 it]}, the newest 50, oldest first
//   GET /api/export?format=F&first=SEQ
//                                 "rlhf" (default) or "trl", as JSONL from SEQ
//                                 (default 1) on, of what is in the log now. It
//                                 is read as it is sent, piece by piece; what
//                                 fails on the way breaks the connection off
#pragma once

#include <deque>
#include <string>

#include "absl/status/status.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/json_lines.h"
#include "core/base/mutex.h"
#include "core/telemetry/http_server.h"
#include "feedback/elo_tally.h"
#include "feedback/label_tally.h"
#include "feedback/preference_store.h"

namespace rlhf {

// Thread-safe.
class RequesterApi {
 public:
  struct Options {
    // Where the refresher keeps pms.jsonl.
    std::string run_directory;
    double price_per_answer = 0;
  };

  // Neither is owned; both must outlive the API.
  RequesterApi(const Options& options, const PreferenceStore* store,
               const Clock* clock)
      : options_(options),
        store_(store),
        clock_(clock),
        pm_lines_(options.run_directory + "/pms.jsonl") {}

  HttpResponse GetComparisons(const HttpRequest& request) const;
  HttpResponse GetSummary();
  HttpResponse GetElo();
  HttpResponse GetPms();
  HttpResponse GetExport(const HttpRequest& request) const;

 private:
  // Begins both tallies again if something was taken back since: it may be
  // anywhere in what was counted. An answer that another replaced is none:
  // tools send them all the time, and a long log would never be counted to its
  // end. Only imports are replaced, which a tally counts and looks no further.
  void DropWhatWasTakenBack() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Adds to `tally` what was appended since the last call, at most so much at
  // once that a long log is counted over several calls.
  template <typename Tally>
  absl::Status Update(Tally& tally) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const PreferenceStore* const store_;
  const Clock* const clock_;

  Mutex mutex_;
  LabelTally tally_ ABSL_GUARDED_BY(mutex_);
  EloTally elo_ ABSL_GUARDED_BY(mutex_);
  // Both tallies are without what had been taken back by then.
  int64_t num_taken_back_ ABSL_GUARDED_BY(mutex_) = 0;
  JsonLinesTail pm_lines_ ABSL_GUARDED_BY(mutex_);
  std::deque<Json> pms_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
