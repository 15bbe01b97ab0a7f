#include "trainer/checkpoint/async_saver.h"

#include <algorithm>
#include <latch>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class AsyncSaverTest : public ::testing::Test {
 protected:
  AsyncSaver MakeSaver() {
    return AsyncSaver(CheckpointStore(root_, 2),
                      [this](const absl::Status& s) { results_.push_back(s); });
  }
  static absl::Status Fill(const std::string& folder) {
    return WriteFileAtomically(folder + "/state", "x");
  }

  const TempDir dir_;
  const std::string root_ = dir_ / "checkpoints";
  std::vector<absl::Status> results_;
};

TEST_F(AsyncSaverTest, ReturnsBeforeTheFilesAreWritten) {
  std::latch caller_went_on(1);
  AsyncSaver saver = MakeSaver();
  ASSERT_OK(saver.Start(
      3,
      [&](const std::string& folder) {
        caller_went_on.wait();
        return Fill(folder);
      },
      std::nullopt));
  // Nothing can be there: the save waits for us.
  EXPECT_FALSE(FileExists(root_ + "/000003"));
  caller_went_on.count_down();
  ASSERT_OK(saver.Wait());
  EXPECT_OK(VerifyCheckpoint(root_ + "/000003"));
  EXPECT_GT(saver.last_seconds(), 0);
}

TEST_F(AsyncSaverTest, ASecondSaveWaitsForTheFirst) {
  int running = 0, most_running = 0;
  AsyncSaver saver = MakeSaver();
  for (int64_t step = 1; step <= 5; ++step) {
    ASSERT_OK(saver.Start(
        step,
        [&](const std::string& folder) {
          most_running = std::max(most_running, ++running);
          const absl::Status status = Fill(folder);
          --running;
          return status;
        },
        std::nullopt));
  }
  ASSERT_OK(saver.Wait());
  EXPECT_EQ(most_running, 1);
  EXPECT_EQ(results_.size(), 5u);
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000004", "000005"));
}

TEST_F(AsyncSaverTest, AnErrorIsToldAtOnceAndReturnedByTheNextCall) {
  AsyncSaver saver = MakeSaver();
  const auto full = [](const std::string& folder) {
    return absl::ResourceExhaustedError(folder + ": disk full");
  };
  ASSERT_OK(saver.Start(1, full, std::nullopt));
  bool filled = false;
  EXPECT_THAT(
      saver.Start(
          2,
          [&](const std::string&) {
            filled = true;
            return absl::OkStatus();
          },
          std::nullopt),
      StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr("disk full")));
  EXPECT_FALSE(filled);
  ASSERT_EQ(results_.size(), 1u);
  EXPECT_FALSE(results_[0].ok());
  // Once: the disk may have room again.
  EXPECT_OK(saver.Start(3, Fill, std::nullopt));
  EXPECT_OK(saver.Wait());
}

TEST_F(AsyncSaverTest, TheDestructorWaits) {
  {
    AsyncSaver saver = MakeSaver();
    ASSERT_OK(saver.Start(7, Fill, 0.5));
  }
  EXPECT_OK(VerifyCheckpoint(root_ + "/000007"));
}

}  // namespace
}  // namespace rlhf
