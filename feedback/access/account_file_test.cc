#include "feedback/access/account_file.h"

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "feedback/access/private_file.h"
#include "feedback/access/secrets.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

absl::Status AddProgram(AccountFile& file, const std::string& name) {
  return file.Update([&](Accounts& accounts) {
    return accounts.SetToken(name, Role::kWorker, SecretHash(name));
  });
}

TEST(AccountFileTest, ChangesByOneAreSeenByTheOther) {
  const TempDir folder;
  AccountFile service(folder.path());
  AccountFile verb(folder.path());
  EXPECT_EQ((*service.Get())->accounts().size(), 0u);
  ASSERT_OK(AddProgram(verb, "a"));
  ASSERT_OK(AddProgram(service, "b"));
  EXPECT_EQ((*service.Get())->accounts().size(), 2u);
  EXPECT_EQ((*verb.Get())->accounts().size(), 2u);
}

TEST(AccountFileTest, FileIsReadOnceWhileItStaysTheSame) {
  const TempDir folder;
  AccountFile file(folder.path());
  ASSERT_OK(AddProgram(file, "a"));
  const auto first = *file.Get();
  EXPECT_EQ(first, *file.Get());
}

TEST(AccountFileTest, RefusedChangeWritesNothing) {
  const TempDir folder;
  AccountFile file(folder.path());
  EXPECT_THAT(
      file.Update([](Accounts& accounts) { return accounts.Disable("none"); }),
      StatusIs(absl::StatusCode::kNotFound, HasSubstr("\"none\"")));
  EXPECT_FALSE(FileExists(file.path()));
}

TEST(AccountFileTest, WhoeverHoldsTheLockHoldsNobodyForLong) {
  const TempDir folder;
  AccountFile file(folder.path(), /*lock_timeout=*/absl::Milliseconds(20));
  const auto held = FileLock::Acquire(file.path() + ".lock");
  ASSERT_OK(held);
  EXPECT_THAT(AddProgram(file, "a"), StatusIs(absl::StatusCode::kUnavailable,
                                              HasSubstr("accounts.json.lock")));
}

TEST(AccountFileTest, NoMoreThanTwoThreadsWaitForTheLock) {
  const TempDir folder;
  AccountFile file(folder.path(), /*lock_timeout=*/absl::Minutes(1));
  std::vector<std::future<absl::Status>> waiting;
  {
    const auto held = FileLock::Acquire(file.path() + ".lock");
    ASSERT_OK(held);
    for (const char* name : {"a", "b", "c"}) {
      waiting.push_back(std::async(std::launch::async, [&file, name] {
        return AddProgram(file, name);
      }));
    }
    // One of them does not wait: all three would, for a minute.
    const absl::Time deadline = MonotonicNow() + absl::Seconds(20);
    const auto is_done = [](const std::future<absl::Status>& one) {
      return one.wait_for(std::chrono::milliseconds(5)) ==
             std::future_status::ready;
    };
    while (std::none_of(waiting.begin(), waiting.end(), is_done)) {
      ASSERT_LT(MonotonicNow(), deadline);
    }
  }
  int num_refused = 0;
  for (auto& one : waiting) {
    const absl::Status status = one.get();
    if (status.ok()) continue;
    ++num_refused;
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kUnavailable,
                                 HasSubstr("try again in a second")));
  }
  EXPECT_EQ(num_refused, 1);
}

TEST(AccountFileTest, DisabledIsDisabledAlsoWhereItCannotBeWritten) {
  const TempDir folder;
  AccountFile file(folder.path(), /*lock_timeout=*/absl::Milliseconds(20));
  ASSERT_OK(AddProgram(file, "a"));
  {
    const auto held = FileLock::Acquire(file.path() + ".lock");
    ASSERT_OK(held);
    EXPECT_THAT(file.Disable("a"),
                StatusIs(absl::StatusCode::kUnavailable,
                         AllOf(HasSubstr("\"a\" is disabled until"),
                               HasSubstr("try again"))));
  }
  EXPECT_TRUE((*file.Get())->Find("a")->disabled);
  AccountFile other(folder.path());
  EXPECT_FALSE((*other.Get())->Find("a")->disabled);
  // What is written next holds it, too.
  ASSERT_OK(AddProgram(file, "b"));
  EXPECT_TRUE((*other.Get())->Find("a")->disabled);
  ASSERT_OK(AddProgram(file, "a"));
  EXPECT_FALSE((*file.Get())->Find("a")->disabled) << "a new token ends it";
}

TEST(AccountFileTest, NoChangeIsLostWhenManyChangeAtOnce) {
  const TempDir folder;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&folder, i] {
        AccountFile file(folder.path(), /*lock_timeout=*/absl::Minutes(1));
        for (int k = 0; k < 10; ++k) {
          ASSERT_OK(AddProgram(file, absl::StrCat(i, "-", k)));
        }
      });
    }
  }
  AccountFile file(folder.path());
  EXPECT_EQ((*file.Get())->accounts().size(), 40u);
}

TEST(AccountFileTest, DamagedFileIsNamedAndNeverOverwritten) {
  const TempDir folder;
  AccountFile file(folder.path());
  ASSERT_OK(WriteFileAtomically(file.path(), "{\"accounts\": ["));
  const auto is_damage = StatusIs(
      absl::StatusCode::kDataLoss,
      AllOf(HasSubstr("accounts.json"), HasSubstr("put the run's own file")));
  EXPECT_THAT(file.Get(), is_damage);
  EXPECT_THAT(AddProgram(file, "a"), is_damage);
  EXPECT_THAT(ReadFile(file.path()), IsOkAndHolds("{\"accounts\": ["));
}

}  // namespace
}  // namespace rlhf
