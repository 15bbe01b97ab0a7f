#include "feedback/access/account_file.h"

#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
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

TEST(AccountFileTest, NoChangeIsLostWhenManyChangeAtOnce) {
  const TempDir folder;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&folder, i] {
        AccountFile file(folder.path());
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
