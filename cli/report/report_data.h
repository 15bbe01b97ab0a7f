// All that the report of a run shows, read from what the run has left on disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "cli/report/people_tally.h"
#include "cli/report/samples.h"
#include "core/base/json.h"
#include "core/registry/transition_log.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/feedback_import.pb.h"
#include "rlhf/v1/orders.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/retraction.pb.h"

namespace rlhf {

struct ReportData {
  v1::RunConfig config;
  v1::Report report;
  // Sessions of `rlhf up` that ended in order.
  int64_t num_sessions = 0;
  // Updates that were made again after a crash.
  int64_t num_updates_repeated = 0;
  // What the card of each PM version says under "held_out", where it does.
  std::map<int64_t, Json> held_out;

  // Each of these may be unreadable, which the report says in its place.
  //
  // How the PMs' aliases moved.
  absl::StatusOr<std::vector<Transition>> transitions =
      std::vector<Transition>();
  // What was ordered, its signatures proven.
  absl::StatusOr<std::vector<v1::OrderRecord>> orders =
      std::vector<v1::OrderRecord>();
  absl::StatusOr<People> people = People();
  absl::StatusOr<std::vector<v1::Retraction>> retractions =
      std::vector<v1::Retraction>();
  // Newest first, at most kMostBatches of them.
  absl::StatusOr<v1::BatchList> batches = v1::BatchList();
  absl::StatusOr<std::vector<UpdateSample>> samples =
      std::vector<UpdateSample>();

  absl::Time made_at;
  // Of this program and its libraries.
  std::string versions;
};

inline constexpr int kMostBatches = 50;

// Reads the run of `config`, which may be running.
//
// Errors: NotFound if there is no such run; DataLoss that names file and line
// of a log that cannot be read; those of ModelRegistry::Card.
absl::StatusOr<ReportData> ReadReportData(const v1::RunConfig& config);

}  // namespace rlhf
