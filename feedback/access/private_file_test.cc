#include "feedback/access/private_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

mode_t ModeOf(const std::string& path) {
  struct stat info = {};
  EXPECT_EQ(::stat(path.c_str(), &info), 0);
  return info.st_mode & 0777;
}

TEST(PrivateFileTest, OnlyTheOwnerReadsIt) {
  const TempDir folder;
  const std::string path = folder / "a";
  ASSERT_OK(WriteFileAtomically(path, "old"));
  ASSERT_OK(WritePrivateFile(path, "new"));
  EXPECT_THAT(ReadFile(path), IsOkAndHolds("new"));
  EXPECT_EQ(ModeOf(path), 0600u);
  EXPECT_THAT(ListDirectory(folder.path()), ElementsAre("a"));
}

TEST(PrivateFileTest, WhatRootWritesBelongsToTheOwnerOfTheFolder) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give files away";
  const TempDir folder;
  ASSERT_EQ(::chown(folder.path().c_str(), 12345, 23456), 0);
  ASSERT_OK(WritePrivateFile(folder / "a", "new"));
  ASSERT_OK(FileLock::Acquire(folder / "lock"));
  for (const char* name : {"a", "lock"}) {
    struct stat info = {};
    ASSERT_EQ(::stat((folder / name).c_str(), &info), 0);
    EXPECT_EQ(info.st_uid, 12345u) << name;
    EXPECT_EQ(info.st_gid, 23456u) << name;
  }
}

TEST(PrivateFileTest, AnErrorLeavesTheOldFileAndNoOther) {
  const TempDir folder;
  ASSERT_OK(MakeDirectories(folder / "taken/by"));
  EXPECT_FALSE(WritePrivateFile(folder / "taken", "new").ok());
  EXPECT_THAT(ListDirectory(folder.path()), ElementsAre("taken"));
  EXPECT_THAT(WritePrivateFile(folder / "none/a", "new"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none/a: ")));
}

TEST(PrivateFileTest, SecretIsMadeOnceByWhoeverIsFirst) {
  const TempDir folder;
  std::vector<std::string> found(8);
  {
    std::vector<std::jthread> threads;
    for (std::string& one : found) {
      threads.emplace_back([&] { one = *LoadOrCreateSecret(folder / "key"); });
    }
  }
  EXPECT_EQ(found[0].size(), 64u);
  for (const std::string& one : found) EXPECT_EQ(one, found[0]);
  EXPECT_EQ(ModeOf(folder / "key"), 0600u);
  EXPECT_THAT(ListDirectory(folder.path()), ElementsAre("key"));
}

TEST(PrivateFileTest, SecretThatOthersMayReadOrThatIsNoneIsRefused) {
  const TempDir folder;
  ASSERT_OK(WritePrivateFile(folder / "key", std::string(64, 'a')));
  ASSERT_EQ(::chmod((folder / "key").c_str(), 0640), 0);
  EXPECT_THAT(
      LoadOrCreateSecret(folder / "key"),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("chmod 600")));
  ASSERT_OK(WritePrivateFile(folder / "key", "short"));
  EXPECT_THAT(LoadOrCreateSecret(folder / "key"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("no 64 hexadecimal digits")));
}

TEST(FileLockTest, WhoWaitsInVainIsToldForWhichFile) {
  const TempDir folder;
  std::optional<FileLock> held;
  {
    auto lock = FileLock::Acquire(folder / "a.json.lock");
    ASSERT_OK(lock);
    held.emplace(*std::move(lock));
  }
  EXPECT_THAT(FileLock::Acquire(folder / "a.json.lock", absl::Milliseconds(20)),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("a.json.lock"), HasSubstr("try again"),
                             Not(HasSubstr(folder.path())))));
  held.reset();
  EXPECT_OK(FileLock::Acquire(folder / "a.json.lock", absl::Milliseconds(20)));
}

TEST(FileLockTest, IsHeldByOneAtATime) {
  const TempDir folder;
  std::atomic<int> num_inside = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 200; ++k) {
          const auto lock =
              FileLock::Acquire(folder / "lock", absl::Minutes(1));
          ASSERT_OK(lock);
          EXPECT_EQ(num_inside.fetch_add(1), 0);
          std::this_thread::yield();
          num_inside.fetch_sub(1);
        }
      });
    }
  }
}

}  // namespace
}  // namespace rlhf
