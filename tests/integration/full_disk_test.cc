// A learner whose disk is full while it saves, on a real small file system.
#include <unistd.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

using FullDiskTest = LearnerTest;

// `command` where `folder` is an empty disk of 16 KiB; afterwards `listing`
// holds what is left on it. Linux gives such a disk to any user, in a mount
// namespace of its own.
std::string OnTinyDisk(const std::string& folder, const std::string& command,
                       const std::string& listing) {
  return absl::StrCat("mount -t tmpfs -o size=16k tmpfs ", folder,
                      " || exit 9; ", command, "; code=$?; ls -A ", folder,
                      " > ", listing, "; exit $code");
}

TEST_F(FullDiskTest, EndsWithTheFilesNameAndNothingHalfWrittenThenGoesOn) {
  if (std::system("unshare -rm true") != 0) {
    GTEST_SKIP() << "this machine allows no mount namespaces";
  }
  Prepare("full-disk");
  const std::string checkpoints = run_ + "/checkpoints";
  ASSERT_OK(MakeDirectories(checkpoints));
  config_.mutable_learner()->set_checkpoint_every(1);
  WriteConfig();
  StartServers();

  const std::string log = folder_ / "log", listing = folder_ / "listing";
  const pid_t learner =
      StartProgram({"unshare", "-rm", "sh", "-c",
                    OnTinyDisk(checkpoints,
                               absl::StrCat(binary_, " learner --config ",
                                            config_path_, " 2> ", log),
                               listing)});
  EXPECT_EQ(Wait(learner), 3);
  ASSERT_OK_AND_ASSIGN(const std::string said, ReadFile(log));
  EXPECT_THAT(said, AllOf(HasSubstr(checkpoints),
                          HasSubstr("No space left on device")));
  ASSERT_OK_AND_ASSIGN(const std::string left, ReadFile(listing));
  EXPECT_THAT(left, IsEmpty());

  // With room on the disk the same command does the whole run.
  EXPECT_EQ(Wait(Start({"learner", "--config", config_path_})), 0);
  EXPECT_EQ(Updates().size(), kUpdates);
  StopServers();
}

}  // namespace
}  // namespace rlhf
