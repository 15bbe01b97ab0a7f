#include "feedback/open_store.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "feedback/postgres_table.h"

namespace rlhf {
namespace {

absl::Status CheckUrl(const std::string& url) {
  if (absl::StartsWith(url, "postgresql://") ||
      absl::StartsWith(url, "postgres://")) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "it is no address of a database; wanted "
      "postgresql://USER@HOST/DATABASE, or nothing for a SQLite file in the "
      "run's directory");
}

absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenDatabase(
    const v1::RunConfig& config, const Clock* clock, FeedbackMetrics* metrics) {
  const std::string& url = config.feedback().database();
  RLHF_RETURN_IF_ERROR(CheckUrl(url));
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<ComparisonTable> table,
                        PostgresTable::Open(url, config.name(), {}));
  return PreferenceStore::OpenTable(std::move(table), clock, metrics);
}

}  // namespace

std::string FeedbackFolder(const v1::RunConfig& config) {
  return absl::StrCat(config.runs_dir(), "/", config.name(), "/feedback");
}

std::string PreferenceStorePath(const v1::RunConfig& config) {
  return FeedbackFolder(config) + "/comparisons.db";
}

std::string PreferenceStoreName(const v1::RunConfig& config) {
  return config.feedback().database().empty() ? PreferenceStorePath(config)
                                              : "feedback.database";
}

absl::StatusOr<bool> PreferenceStoreExists(const v1::RunConfig& config) {
  const std::string& url = config.feedback().database();
  if (url.empty()) return FileExists(PreferenceStorePath(config));
  const absl::Status is_url = CheckUrl(url);
  if (!is_url.ok()) return WithContext(is_url, "feedback.database");
  auto exists = PostgresTable::Exists(url, config.name(), {});
  if (!exists.ok()) return WithContext(exists.status(), "feedback.database");
  return exists;
}

absl::StatusOr<std::unique_ptr<PreferenceStore>> OpenPreferenceStore(
    const v1::RunConfig& config, const Clock* clock, FeedbackMetrics* metrics) {
  if (config.feedback().database().empty()) {
    RLHF_RETURN_IF_ERROR(MakeDirectories(FeedbackFolder(config)));
    return PreferenceStore::Open(PreferenceStorePath(config), clock, metrics);
  }
  auto store = OpenDatabase(config, clock, metrics);
  if (!store.ok()) return WithContext(store.status(), "feedback.database");
  return store;
}

}  // namespace rlhf
