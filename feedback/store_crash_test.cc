// What was acknowledged survives crashes, full disks and limits.
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/preference_store.h"
#include "feedback/test_comparisons.h"
#include "feedback/test_stores.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// RLHF_STORE_KILLS sets another number.
int NumKills() {
  const char* const text = std::getenv("RLHF_STORE_KILLS");
  int number = 20;
  return text != nullptr && absl::SimpleAtoi(text, &number) ? number : 20;
}

class StoreCrashTest : public StoreTest {
 protected:
  // In a child: appends from number `first` on and writes each acknowledged id
  // to `acks`, until it is killed.
  [[noreturn]] void AppendForEver(int first, int acks) {
    const auto store = Open();
    if (!store.ok()) ::_exit(3);
    for (int i = first;; ++i) {
      if (!(*store)->Append(MakeComparison(absl::StrCat("c", i))).ok()) {
        ::_exit(4);
      }
      const std::string line = absl::StrCat("c", i, "\n");
      if (::write(acks, line.data(), line.size()) < 0) ::_exit(5);
    }
  }

  // Kills a child after `num_acks` acknowledgements; adds all that it gave.
  void KillAfter(int num_acks, std::set<std::string>& acknowledged) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      AppendForEver(static_cast<int>(acknowledged.size()), ends[1]);
    }
    ::close(ends[1]);
    FILE* const acks = ::fdopen(ends[0], "r");
    char line[32];
    for (int i = 0; i < num_acks; ++i) {
      ASSERT_NE(std::fgets(line, sizeof(line), acks), nullptr);
      acknowledged.insert(std::string(line, strlen(line) - 1));
    }
    ::kill(child, SIGKILL);
    while (std::fgets(line, sizeof(line), acks) != nullptr) {
      acknowledged.insert(std::string(line, strlen(line) - 1));
    }
    std::fclose(acks);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
};

INSTANTIATE_TEST_SUITE_P(On, StoreCrashTest,
                         ::testing::Values(Database::kSqlite,
                                           Database::kPostgres),
                         DatabaseName);

TEST_P(StoreCrashTest,
       KilledBetweenInsertAndAcknowledgementLosesAndDoublesNothing) {
  if (GetParam() == Database::kPostgres) TestPostgres::Shared();
  std::set<std::string> acknowledged;
  const int num_kills = NumKills();
  for (int round = 0; round < num_kills; ++round) {
    // Odd numbers of acknowledgements, so that the kill meets every phase; the
    // retry of the next child begins with the comparison that was cut off.
    ASSERT_NO_FATAL_FAILURE(KillAfter(3 + round % 20, acknowledged));
  }
  const auto store = MustOpen();
  EXPECT_OK(store->VerifyChain());
  ASSERT_OK_AND_ASSIGN(const auto log, store->Read(1, 1'000'000));
  std::set<std::string> stored;
  for (const v1::Comparison& comparison : log) {
    EXPECT_TRUE(stored.insert(comparison.comparison_id()).second)
        << comparison.comparison_id() << " is there twice";
  }
  for (const std::string& id : acknowledged) {
    EXPECT_TRUE(stored.contains(id)) << id << " was acknowledged and is lost";
  }
  EXPECT_GE(static_cast<int>(acknowledged.size()), 3 * num_kills);
  // At most the one in flight was saved without an acknowledgement.
  EXPECT_LE(stored.size(), acknowledged.size() + 1);
}

class FullDiskTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<PreferenceStore>> Open(
      const std::string& path) {
    return PreferenceStore::Open(path, &clock_, &metrics_);
  }
  // Appends 10 kB a time until it fails; returns how many were acknowledged.
  int64_t Fill(PreferenceStore& store, absl::Status& status) {
    v1::Comparison big = MakeComparison("");
    big.set_response_a(std::string(10'000, 'a'));
    int64_t num_saved = 0;
    for (int i = 0; i < 200; ++i) {
      big.set_comparison_id(absl::StrCat("c", i));
      status = store.Append(big).status();
      if (!status.ok()) break;
      ++num_saved;
    }
    return num_saved;
  }

  TempDir dir_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

TEST_F(FullDiskTest, FullDiskLosesNothingAndHealsWhenThereIsSpace) {
  const std::string small = dir_ / "small";
  ASSERT_OK(MakeDirectories(small));
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=512k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(small + "/comparisons.db"));
    absl::Status status;
    const int64_t num_saved = Fill(*store, status);
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr("comparisons.db"),
                                       HasSubstr("free some space"))));
    EXPECT_GE(num_saved, 5);
    EXPECT_EQ(store->GetStats().num_comparisons, num_saved);
    EXPECT_OK(store->VerifyChain());
    EXPECT_EQ(
        metrics_.store_errors.Of(absl::StatusCode::kResourceExhausted).Value(),
        1);

    ASSERT_EQ(::mount("tmpfs", small.c_str(), "tmpfs", MS_REMOUNT, "size=4m"),
              0);
    ASSERT_OK_AND_ASSIGN(const auto saved, store->Append(MakeComparison("x")));
    EXPECT_EQ(saved.seq, num_saved + 1);
    EXPECT_OK(store->VerifyChain());
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

// Needs no rights: the child may not write files beyond 400 kB.
TEST_F(FullDiskTest, FileThatMayNotGrowLosesNothing) {
  const std::string path = dir_ / "comparisons.db";
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit = {.rlim_cur = 400'000, .rlim_max = 400'000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const auto store = Open(path);
    if (!store.ok()) ::_exit(3);
    absl::Status status;
    const int64_t num_saved = Fill(**store, status);
    const bool still_reads =
        (*store)->Read(1, 1000)->size() == static_cast<size_t>(num_saved);
    if (status.ok() || !still_reads) ::_exit(4);
    ::_exit(::write(ends[1], &num_saved, sizeof(num_saved)) < 0 ? 5 : 0);
  }
  ::close(ends[1]);
  int64_t num_saved = 0;
  EXPECT_EQ(::read(ends[0], &num_saved, sizeof(num_saved)),
            static_cast<ssize_t>(sizeof(num_saved)));
  ::close(ends[0]);
  int exit = 0;
  ASSERT_EQ(::waitpid(child, &exit, 0), child);
  EXPECT_EQ(exit, 0);
  EXPECT_GE(num_saved, 5);
  ASSERT_OK_AND_ASSIGN(const auto store, Open(path));
  EXPECT_EQ(store->GetStats().num_comparisons, num_saved);
  EXPECT_OK(store->Append(MakeComparison("x")));
}

}  // namespace
}  // namespace rlhf
