#include "core/base/atomic_file.h"

#include <string>
#include <utility>

#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

TEST(AtomicFileTest, PiecesAppearTogether) {
  const TempDir dir;
  const std::string path = dir / "f";
  ASSERT_OK(WriteFileAtomically(path, "old"));
  ASSERT_OK_AND_ASSIGN(AtomicFile file, AtomicFile::Create(path));
  ASSERT_OK(file.Append("one\n"));
  ASSERT_OK(file.Append(""));
  AtomicFile moved = std::move(file);
  ASSERT_OK(moved.Append("two\n"));
  EXPECT_EQ(*ReadFile(path), "old");
  ASSERT_OK(moved.Commit());
  EXPECT_EQ(*ReadFile(path), "one\ntwo\n");
  EXPECT_EQ(ListDirectory(dir.path()).size(), 1u);
}

TEST(AtomicFileTest, WithoutCommitTheOldFileStands) {
  const TempDir dir;
  const std::string path = dir / "f";
  ASSERT_OK(WriteFileAtomically(path, "old"));
  {
    ASSERT_OK_AND_ASSIGN(AtomicFile file, AtomicFile::Create(path));
    ASSERT_OK(file.Append("new"));
  }
  EXPECT_EQ(*ReadFile(path), "old");
  EXPECT_EQ(ListDirectory(dir.path()).size(), 1u);
}

TEST(AtomicFileTest, MissingFolderIsNamed) {
  EXPECT_THAT(AtomicFile::Create("/nowhere/at/all").status(),
              StatusIs(absl::StatusCode::kNotFound,
                       "cannot create /nowhere/at/all: No such file or "
                       "directory"));
}

}  // namespace
}  // namespace rlhf
