// Opens the preference store of a run, wherever its configuration puts it.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "feedback/feedback_metrics.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// What the feedback service of a run keeps: `runs_dir`/`name`/feedback.
std::string FeedbackFolder(const v1::RunConfig& config);

// The SQLite file of a run: `runs_dir`/`name`/feedback/comparisons.db.
std::string PreferenceStorePath(const v1::RunConfig& config);

// The store as messages name it, without secrets.
std::string PreferenceStoreName(const v1::RunConfig& config);

// False if opening the store would make it. A database is asked.
// Errors: as OpenPreferenceStore of a database.
absl::StatusOr<bool> PreferenceStoreExists(const v1::RunConfig& config);

// Opens the store in `feedback.database`, or in the run's file if that is
// empty; makes it, and the folders above a file, if there is none. `clock` and
// `metrics` are not owned and must outlive the store.
//
// Errors: as PreferenceStore::Open and PostgresTable::Open; InvalidArgument if
// `feedback.database` is no postgresql:// URL.
absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenPreferenceStore(
    const v1::RunConfig& config, const Clock* clock, FeedbackMetrics* metrics);

}  // namespace rlhf
