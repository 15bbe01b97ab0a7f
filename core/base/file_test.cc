#include "core/base/file.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::string Contents(const std::string& path) {
  const absl::StatusOr<std::string> contents = ReadFile(path);
  return contents.ok() ? *contents : contents.status().ToString();
}

TEST(ReadFileTest, ReturnsEveryByte) {
  const TempDir dir;
  // More than one piece of reading, with zeros in it.
  const std::string bytes = std::string(100'000, '\0') + "end";
  ASSERT_OK(WriteFileAtomically(dir / "f", bytes));

  EXPECT_EQ(Contents(dir / "f"), bytes);
}

TEST(ReadFileTest, NamesTheMissingFile) {
  EXPECT_THAT(ReadFile("/nonexistent/f"),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("cannot open /nonexistent/f")));
}

TEST(ReadFileTest, AFolderIsNotAFile) {
  const TempDir dir;
  EXPECT_THAT(ReadFile(dir.path()),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr(dir.path())));
}

TEST(WriteFileAtomicallyTest, ReplacesTheOldFileAndLeavesNothingElse) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "f", "old and longer"));
  ASSERT_OK(WriteFileAtomically(dir / "f", "new"));

  EXPECT_EQ(Contents(dir / "f"), "new");
  EXPECT_THAT(ListDirectory(dir.path()), ElementsAre("f"));
}

TEST(WriteFileAtomicallyTest, AMissingFolderIsNamed) {
  const TempDir dir;
  EXPECT_THAT(WriteFileAtomically(dir / "no/f", "x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir / "no/f")));
}

TEST(WriteFileAtomicallyTest, AFailedRenameLeavesNoTemporaryFile) {
  const TempDir dir;
  ASSERT_OK(MakeDirectories(dir / "f/full"));

  EXPECT_THAT(WriteFileAtomically(dir / "f", "x"),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr("cannot rename to " + dir / "f")));
  EXPECT_THAT(ListDirectory(dir.path()), ElementsAre("f"));
}

TEST(AppendLineTest, ALineThatACrashCutShortDoesNotSpoilTheNext) {
  TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "log", "one\n{\"half"));
  ASSERT_OK(AppendLine(dir / "log", "two"));
  EXPECT_EQ(*ReadFile(dir / "log"), "one\ntwo\n");
  ASSERT_OK(WriteFileAtomically(dir / "log", "only half"));
  ASSERT_OK(AppendLine(dir / "log", "two"));
  EXPECT_EQ(*ReadFile(dir / "log"), "two\n");
}

TEST(AppendLineTest, LinesFollowOneAnother) {
  const TempDir dir;
  ASSERT_OK(AppendLine(dir / "log", "one"));
  ASSERT_OK(AppendLine(dir / "log", ""));
  ASSERT_OK(AppendLine(dir / "log", "two"));
  EXPECT_EQ(Contents(dir / "log"), "one\n\ntwo\n");
  EXPECT_THAT(AppendLine(dir / "no/log", "x"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir / "no/log")));
}

// With a limit of 16 bytes the system takes ten bytes of the second line, and
// says that the file is too large when it is offered the rest.
TEST(AppendLineTest, HalfALineIsTakenBack) {
  const TempDir dir;
  const std::string path = dir / "log";
  ASSERT_OK(AppendLine(path, "first"));

  const auto old_handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit = {};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  const rlimit limit = {.rlim_cur = 16, .rlim_max = old_limit.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = AppendLine(path, "the second line");
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);
  std::signal(SIGXFSZ, old_handler);

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               AllOf(HasSubstr("cannot write " + path),
                                     HasSubstr("File too large"))));
  EXPECT_EQ(Contents(path), "first\n");
  EXPECT_OK(AppendLine(path, "third"));
  EXPECT_EQ(Contents(path), "first\nthird\n");
}

TEST(AtomicDirectoryTest, AppearsWholeOnCommit) {
  const TempDir dir;
  ASSERT_OK_AND_ASSIGN(AtomicDirectory folder,
                       AtomicDirectory::Create(dir / "d"));
  ASSERT_OK(WriteFileAtomically(folder.temporary() + "/a", "1"));
  ASSERT_OK(MakeDirectories(folder.temporary() + "/sub"));
  ASSERT_OK(WriteFileAtomically(folder.temporary() + "/sub/b", "2"));
  ASSERT_FALSE(FileExists(dir / "d"));

  ASSERT_OK(folder.Commit());

  EXPECT_EQ(Contents(dir / "d/a"), "1");
  EXPECT_EQ(Contents(dir / "d/sub/b"), "2");
  EXPECT_THAT(ListDirectory(dir.path()), ElementsAre("d"));
}

TEST(AtomicDirectoryTest, IsGoneWithoutCommit) {
  const TempDir dir;
  {
    ASSERT_OK_AND_ASSIGN(AtomicDirectory folder,
                         AtomicDirectory::Create(dir / "d"));
    const AtomicDirectory moved = std::move(folder);
    ASSERT_OK(WriteFileAtomically(moved.temporary() + "/a", "1"));
  }
  EXPECT_THAT(ListDirectory(dir.path()), IsEmpty());
}

TEST(AtomicDirectoryTest, RefusesToReplace) {
  const TempDir dir;
  ASSERT_OK(MakeDirectories(dir / "d"));
  EXPECT_THAT(AtomicDirectory::Create(dir / "d").status(),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(dir / "d")));
}

TEST(AtomicDirectoryTest, ErrorsNameTheFolderThatWasAskedFor) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "f", "x"));
  EXPECT_THAT(AtomicDirectory::Create(dir / "f/d").status().message(),
              AllOf(HasSubstr(dir / "f/d: "), Not(HasSubstr(".tmp."))));
}

TEST(ListDirectoryTest, IsSortedAndEmptyForAMissingFolder) {
  const TempDir dir;
  for (const char* name : {"b", "a", "c"}) {
    ASSERT_OK(WriteFileAtomically(dir / name, ""));
  }
  EXPECT_THAT(ListDirectory(dir.path()), ElementsAre("a", "b", "c"));
  EXPECT_THAT(ListDirectory(dir / "missing"), IsEmpty());
}

TEST(RemoveAllTest, RemovesATreeAndAllowsAMissingOne) {
  const TempDir dir;
  ASSERT_OK(MakeDirectories(dir / "a/b/c"));
  EXPECT_OK(RemoveAll(dir / "a"));
  EXPECT_OK(RemoveAll(dir / "a"));
  EXPECT_FALSE(FileExists(dir / "a"));
}

TEST(MakeDirectoriesTest, AFileInTheWayIsNamed) {
  const TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "f", "x"));
  EXPECT_THAT(MakeDirectories(dir / "f/g"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr(dir / "f/g")));
}

TEST(ErrnoStatusTest, TellsTheCallersMistakesFromTheMachines) {
  const auto code = [](int error) {
    return ErrnoStatus(error, "write", "/x").code();
  };
  EXPECT_EQ(code(ENOENT), absl::StatusCode::kNotFound);
  EXPECT_EQ(code(ENOSPC), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EDQUOT), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(code(EACCES), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(EIO), absl::StatusCode::kUnavailable);
}

// A disk of one MiB, which only root can mount.
class FullDiskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(::mkdir(disk_.c_str(), 0755), 0);
    if (::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=1m") != 0) {
      GTEST_SKIP() << "cannot mount a small disk: " << std::strerror(errno);
    }
    mounted_ = true;
  }
  ~FullDiskTest() override {
    if (mounted_) ::umount2(disk_.c_str(), MNT_DETACH);
  }

  const std::string too_much_ = std::string(2 << 20, 'x');
  const TempDir dir_;
  const std::string disk_ = dir_ / "disk";
  bool mounted_ = false;
};

TEST_F(FullDiskTest, AFileThatDoesNotFitLeavesTheOldOne) {
  const std::string path = disk_ + "/f";
  ASSERT_OK(WriteFileAtomically(path, "old"));

  EXPECT_THAT(WriteFileAtomically(path, too_much_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr("cannot write " + path + ": "),
                             HasSubstr("No space left on device"))));

  EXPECT_EQ(Contents(path), "old");
  EXPECT_THAT(ListDirectory(disk_), ElementsAre("f"));
  EXPECT_OK(WriteFileAtomically(path, "new"));
}

TEST_F(FullDiskTest, ALineThatFitsInPartIsTakenBack) {
  const std::string path = disk_ + "/log", ballast = disk_ + "/ballast";
  ASSERT_OK(AppendLine(path, "first"));
  EXPECT_THAT(AppendLine(ballast, too_much_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("No space left on device")));
  EXPECT_EQ(Contents(ballast), "");
  // All but less than a page.
  for (int kib = 512; kib > 0; kib /= 2) {
    AppendLine(ballast, std::string(kib << 10, 'x')).IgnoreError();
  }

  // The rest of the first page is free, and no other.
  EXPECT_THAT(AppendLine(path, std::string(10'000, 'x')),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       HasSubstr("cannot write " + path)));
  EXPECT_EQ(Contents(path), "first\n");
}

// Fills a folder with one file that fits and one that does not.
absl::Status SaveTooMuch(const std::string& path, const std::string& too_much) {
  absl::StatusOr<AtomicDirectory> folder = AtomicDirectory::Create(path);
  if (!folder.ok()) return folder.status();
  const absl::Status small =
      WriteFileAtomically(folder->temporary() + "/small", "1");
  if (!small.ok()) return small;
  return WriteFileAtomically(folder->temporary() + "/big", too_much);
}

TEST_F(FullDiskTest, AFolderThatDoesNotFitLeavesNothing) {
  EXPECT_THAT(SaveTooMuch(disk_ + "/d", too_much_),
              StatusIs(absl::StatusCode::kResourceExhausted,
                       AllOf(HasSubstr(disk_ + "/d"), HasSubstr("/big"))));
  EXPECT_THAT(ListDirectory(disk_), IsEmpty());
}

}  // namespace
}  // namespace rlhf
