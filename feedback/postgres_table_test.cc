#include "feedback/postgres_table.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "feedback/preference_store.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_cut_proxy.h"
#include "feedback/test_postgres.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// RLHF_STORE_RESTARTS sets another number.
int NumRestarts() {
  const char* const text = std::getenv("RLHF_STORE_RESTARTS");
  int number = 3;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : 3;
}

class PostgresTableTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!TestPostgres::IsInstalled()) {
      GTEST_SKIP() << "needs a PostgreSQL server: apt-get install postgresql";
    }
    run_ = absl::StrCat("table", ++num_runs);
    url_ = TestPostgres::Shared().Url();
  }

  absl::StatusOr<std::unique_ptr<PreferenceStore>> Open() {
    auto table = PostgresTable::Open(url_, run_, options_);
    if (!table.ok()) return table.status();
    return PreferenceStore::OpenTable(*std::move(table), &clock_, &metrics_);
  }
  std::unique_ptr<PreferenceStore> MustOpen() {
    auto store = Open();
    EXPECT_OK(store);
    return *std::move(store);
  }
  // Through a connection that no store has.
  void Execute(const std::string& sql) {
    ASSERT_OK_AND_ASSIGN(
        PostgresSession session,
        PostgresSession::Connect(TestPostgres::Shared().Url(), {}));
    ASSERT_OK(session.Execute(absl::StrCat("SET search_path TO rlhf_", run_)));
    ASSERT_OK(session.Execute(sql));
  }
  void EndSessions() {
    Execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name LIKE 'rlhf%' AND pid <> pg_backend_pid()");
  }

  inline static int num_runs = 0;
  std::string run_;
  std::string url_;
  PostgresTable::Options options_;
  RealClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

TEST_F(PostgresTableTest, CommitWhoseAnswerWasLostIsAcknowledgedOnce) {
  CutProxy proxy(TestPostgres::Shared().socket_path());
  url_ = TestPostgres::Shared().Url(proxy.folder());
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  proxy.CutNext(CutProxy::Cut::kAfterCommit);
  ASSERT_OK_AND_ASSIGN(const auto two, store->Append(MakeComparison("two")));
  EXPECT_EQ(proxy.num_cuts(), 1);
  EXPECT_EQ(two.seq, 2);
  EXPECT_EQ(store->Append(MakeComparison("three"))->seq, 3);
  EXPECT_EQ(store->Read(1, 100)->size(), 3u);
  EXPECT_OK(store->VerifyChain());
}

TEST_F(PostgresTableTest, CommitThatTheServerDidNotHearOfIsMadeAgain) {
  CutProxy proxy(TestPostgres::Shared().socket_path());
  url_ = TestPostgres::Shared().Url(proxy.folder());
  const auto store = MustOpen();
  proxy.CutNext(CutProxy::Cut::kBeforeCommit);
  EXPECT_EQ(store->Append(MakeComparison("one"))->seq, 1);
  EXPECT_EQ(proxy.num_cuts(), 1);
  EXPECT_EQ(store->Read(1, 100)->size(), 1u);
  EXPECT_OK(store->VerifyChain());
}

TEST_F(PostgresTableTest, CommitWhoseFateIsUnknownForLongIsFoundByTheRetry) {
  options_.retry_for = absl::Milliseconds(200);
  CutProxy proxy(TestPostgres::Shared().socket_path());
  url_ = TestPostgres::Shared().Url(proxy.folder());
  const auto store = MustOpen();
  for (const auto cut :
       {CutProxy::Cut::kBeforeCommit, CutProxy::Cut::kAfterCommit}) {
    const bool made = cut == CutProxy::Cut::kAfterCommit;
    const std::string id = made ? "made" : "not made";
    proxy.CutNext(cut);
    proxy.RefuseAfterCut();
    EXPECT_THAT(
        store->Append(MakeComparison(id)),
        StatusIs(absl::StatusCode::kUnavailable, HasSubstr("postgresql")));
    proxy.Refuse(false);
    ASSERT_OK_AND_ASSIGN(const auto again, store->Append(MakeComparison(id)));
    EXPECT_EQ(again.duplicate, made);
    EXPECT_EQ(again.seq, made ? 2 : 1);
  }
  EXPECT_EQ(store->GetStats().num_comparisons, 2);
  EXPECT_EQ(store->Append(MakeComparison("next"))->seq, 3);
  EXPECT_OK(store->VerifyChain());
}

TEST_F(PostgresTableTest, RetractionWhoseAnswerWasLostIsMadeOnce) {
  CutProxy proxy(TestPostgres::Shared().socket_path());
  url_ = TestPostgres::Shared().Url(proxy.folder());
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  proxy.CutNext(CutProxy::Cut::kAfterCommit);
  ASSERT_OK(store->Retract({.comparison_ids = {"one"}}, "r", "grace"));
  EXPECT_EQ(proxy.num_cuts(), 1);
  EXPECT_EQ(store->GetStats().num_retracted, 1);
  EXPECT_OK(store->VerifyChain());
}

// Appends from several threads, each comparison until it is acknowledged.
class Load {
 public:
  explicit Load(PreferenceStore* store) {
    for (int thread = 0; thread < 6; ++thread) {
      threads_.emplace_back([this, store, thread](std::stop_token stop) {
        for (int i = 0; !stop.stop_requested(); ++i) {
          const auto one = MakeComparison(absl::StrCat(thread, "-", i));
          auto appended = store->Append(one);
          while (absl::IsUnavailable(appended.status())) {
            appended = store->Append(one);
          }
          ASSERT_OK(appended);
          ++num_acknowledged_;
        }
      });
    }
  }
  bool WaitForMore(int number) {
    const int wanted = num_acknowledged_ + number;
    const absl::Time deadline = absl::Now() + absl::Seconds(30);
    while (num_acknowledged_ < wanted && absl::Now() < deadline) {
      std::this_thread::yield();
    }
    return num_acknowledged_ >= wanted;
  }
  int End() {
    threads_.clear();
    return num_acknowledged_;
  }

 private:
  std::atomic<int> num_acknowledged_ = 0;
  std::vector<std::jthread> threads_;
};

TEST_F(PostgresTableTest, RestartsUnderLoadLoseAndDoubleNothing) {
  const auto store = MustOpen();
  Load load(store.get());
  const int num_restarts = NumRestarts();
  for (int i = 0; i < num_restarts; ++i) {
    ASSERT_TRUE(load.WaitForMore(30)) << "after " << i << " restarts";
    TestPostgres& server = TestPostgres::Shared();
    server.Stop(i % 2 == 0 ? TestPostgres::StopMode::kImmediate
                           : TestPostgres::StopMode::kFast);
    ASSERT_OK(server.StartAgain());
  }
  ASSERT_TRUE(load.WaitForMore(30));
  const int num_acknowledged = load.End();
  // Every thread goes on only after an acknowledgement: what is stored is what
  // was acknowledged, each once.
  ASSERT_OK_AND_ASSIGN(const auto log, store->Read(1, 10'000'000));
  std::set<std::string> ids;
  for (const v1::Comparison& comparison : log) {
    EXPECT_TRUE(ids.insert(comparison.comparison_id()).second);
  }
  EXPECT_EQ(static_cast<int>(ids.size()), num_acknowledged);
  EXPECT_EQ(store->GetStats().num_comparisons, num_acknowledged);
  EXPECT_OK(store->VerifyChain());
}

TEST_F(PostgresTableTest, LostSessionIsFollowedByAnotherForReadsToo) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  EndSessions();
  EXPECT_TRUE(store->Find("one")->has_value());
  EndSessions();
  EXPECT_EQ(store->Append(MakeComparison("two"))->seq, 2);
}

TEST_F(PostgresTableTest, WhoTookOverMeanwhileIsNamedAndItsRowsAreKept) {
  options_.retry_for = absl::Milliseconds(300);
  const auto first = MustOpen();
  ASSERT_OK(first->Append(MakeComparison("one")));
  EndSessions();
  {
    const auto second = MustOpen();
    ASSERT_OK(second->Append(MakeComparison("two")));
    EXPECT_THAT(first->Append(MakeComparison("three")),
                StatusIs(absl::StatusCode::kUnavailable,
                         HasSubstr(absl::StrCat("process ", ::getpid()))))
        << "nobody drops an answer for it";
  }
  EXPECT_EQ(first->Append(MakeComparison("three"))->seq, 3);
  EXPECT_EQ(first->GetStats().num_comparisons, 3);
  EXPECT_OK(first->VerifyChain());
}

TEST_F(PostgresTableTest, ServerThatCameBackWithoutAcknowledgedRowsIsRefused) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  ASSERT_OK(store->Append(MakeComparison("two")));
  Execute("DELETE FROM comparisons WHERE seq = 2");
  EndSessions();
  EXPECT_THAT(store->Append(MakeComparison("three")),
              StatusIs(absl::StatusCode::kDataLoss,
                       HasSubstr("that were acknowledged")));
  Execute(absl::StrCat("DROP SCHEMA rlhf_", run_, " CASCADE"));
  EndSessions();
  EXPECT_THAT(
      store->Append(MakeComparison("three")),
      StatusIs(absl::StatusCode::kDataLoss, HasSubstr("does not exist")));
}

TEST_F(PostgresTableTest, ChangedDigestOrChainIsDamage) {
  {
    const auto store = MustOpen();
    for (const char* const id : {"one", "two", "three"}) {
      ASSERT_OK(store->Append(MakeComparison(id)));
    }
    ASSERT_OK(store->Retract({.comparison_ids = {"one"}}, "r", "grace"));
  }
  Execute("UPDATE comparisons SET digest = repeat('a', 64) WHERE seq = 3");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("breaks at comparison 3")));
  Execute("UPDATE retractions SET bytes = bytes || '\\x00'");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("breaks at retraction 1")));
}

TEST_F(PostgresTableTest, StoreOfAnotherVersionIsRefused) {
  MustOpen();
  Execute("UPDATE store SET schema_version = 9");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kDataLoss,
                               HasSubstr("has schema 9; wanted 2")));
}

TEST_F(PostgresTableTest, MessagesNameTheServerAndNeverThePassword) {
  const std::string url = "postgresql://ada:hunter2@127.0.0.1:1/labels";
  EXPECT_THAT(PostgresTable::Open(url, run_, options_),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("127.0.0.1/labels"),
                             Not(HasSubstr("hunter2")))));
  EXPECT_THAT(
      PostgresTable::Open("postgresql://ada:hunter2@[::1/x", run_, options_),
      StatusIs(absl::StatusCode::kInvalidArgument,
               AllOf(HasSubstr("postgresql://USER@HOST/DATABASE"),
                     Not(HasSubstr("hunter2")))));
  EXPECT_THAT(PostgresTable::Open(url_, "a\"b", options_),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no schema's name")));
  EXPECT_THAT(
      PostgresTable::Open(url_, std::string(59, 'a'), options_),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("59 bytes")));
}

TEST_F(PostgresTableTest, BackupNamesTheToolForIt) {
  EXPECT_THAT(MustOpen()->Backup("/tmp/never-made"),
              StatusIs(absl::StatusCode::kUnimplemented, HasSubstr("pg_dump")));
}

}  // namespace
}  // namespace rlhf
