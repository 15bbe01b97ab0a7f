// A test that runs on every database that can keep the store.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "feedback/postgres_table.h"
#include "feedback/preference_store.h"
#include "feedback/sqlite_table.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_postgres.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

enum class Database { kSqlite, kPostgres };

class StoreTest : public ::testing::TestWithParam<Database> {
 protected:
  void SetUp() override {
    if (GetParam() == Database::kPostgres && !TestPostgres::IsInstalled()) {
      GTEST_SKIP() << "needs a PostgreSQL server: apt-get install postgresql";
    }
    run_ = absl::StrCat("run", ++num_runs);
  }

  absl::StatusOr<std::unique_ptr<ComparisonTable>> OpenTable() {
    if (GetParam() == Database::kSqlite) return SqliteTable::Open(path_);
    return PostgresTable::Open(TestPostgres::Shared().Url(), run_, {});
  }
  absl::StatusOr<std::unique_ptr<PreferenceStore>> Open() {
    if (GetParam() == Database::kSqlite) {
      return PreferenceStore::Open(path_, &clock_, &metrics_);
    }
    auto table = OpenTable();
    if (!table.ok()) return table.status();
    return PreferenceStore::OpenTable(*std::move(table), &clock_, &metrics_);
  }
  std::unique_ptr<PreferenceStore> MustOpen() {
    auto store = Open();
    EXPECT_OK(store);
    return *std::move(store);
  }

  // Each test has a store of its own.
  inline static int num_runs = 0;
  TempDir dir_;
  const std::string path_ = dir_ / "comparisons.db";
  std::string run_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

inline std::string DatabaseName(
    const ::testing::TestParamInfo<Database>& info) {
  return info.param == Database::kSqlite ? "Sqlite" : "Postgres";
}

}  // namespace rlhf
