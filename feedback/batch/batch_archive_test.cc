#include "feedback/batch/batch_archive.h"

#include <memory>

#include "core/base/file.h"
#include "feedback/batch/folder_batch_archive.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;

Batch Make(const std::string& id, BatchState state, int64_t received = 1) {
  return {.batch_id = id,
          .source = "import:f",
          .received_unix_ms = received,
          .state = state,
          .report = "{\"found\": \"ü\"}",
          .payload = "lines\n"};
}

// What every archive promises.
class BatchArchiveTest : public ::testing::TestWithParam<bool> {
 protected:
  BatchArchiveTest() {
    if (GetParam()) {
      archive_ = std::make_unique<FolderBatchArchive>(dir_ / "batches");
    } else {
      archive_ = std::make_unique<InMemoryBatchArchive>();
    }
  }

  TempDir dir_;
  std::unique_ptr<BatchArchive> archive_;
};

TEST_P(BatchArchiveTest, OnlyWhatWaitsKeepsItsPayload) {
  ASSERT_OK(archive_->AddBatch(Make("a", BatchState::kQuarantined)));
  ASSERT_OK(archive_->AddBatch(Make("b", BatchState::kAccepted)));
  EXPECT_EQ(archive_->GetBatch("a")->payload, "lines\n");
  EXPECT_EQ(archive_->GetBatch("a")->report, "{\"found\": \"ü\"}");
  EXPECT_EQ(archive_->GetBatch("b")->payload, "");
  ASSERT_OK(archive_->DecideBatch("a", BatchState::kReleased, "by ada"));
  EXPECT_EQ(archive_->GetBatch("a")->payload, "");
  EXPECT_EQ(archive_->GetBatch("a")->report, "by ada");
  EXPECT_EQ(archive_->GetBatch("a")->state, BatchState::kReleased);
}

TEST_P(BatchArchiveTest, ListsTheNewestFirst) {
  EXPECT_TRUE(archive_->ListBatches()->empty());
  ASSERT_OK(archive_->AddBatch(Make("a", BatchState::kQuarantined, 5)));
  ASSERT_OK(archive_->AddBatch(Make("b", BatchState::kRefused, 6)));
  ASSERT_OK_AND_ASSIGN(const auto batches, archive_->ListBatches());
  ASSERT_EQ(batches.size(), 2u);
  EXPECT_EQ(batches[0].batch_id, "b");
  EXPECT_EQ(batches[1].payload, "");
}

TEST_P(BatchArchiveTest, ADecisionIsMadeOnce) {
  ASSERT_OK(archive_->AddBatch(Make("a", BatchState::kQuarantined)));
  ASSERT_OK(archive_->DecideBatch("a", BatchState::kRefused, "{}"));
  EXPECT_OK(archive_->DecideBatch("a", BatchState::kRefused, "{}"));
  EXPECT_THAT(archive_->DecideBatch("a", BatchState::kReleased, "{}"),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("not in quarantine")));
}

TEST_P(BatchArchiveTest, SaysWhichBatchItDoesNotHave) {
  EXPECT_THAT(archive_->DecideBatch("b", BatchState::kReleased, "{}"),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no batch b")));
  EXPECT_THAT(archive_->GetBatch("b").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no batch b")));
  EXPECT_THAT(archive_->AddBatch(Make("", BatchState::kAccepted)),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("batch_id is empty")));
}

TEST_P(BatchArchiveTest, TheSameBatchAgainChangesNothing) {
  ASSERT_OK(archive_->AddBatch(Make("a", BatchState::kQuarantined)));
  EXPECT_OK(archive_->AddBatch(Make("a", BatchState::kQuarantined, 9)));
  EXPECT_EQ(archive_->GetBatch("a")->received_unix_ms, 1);
  EXPECT_THAT(
      archive_->AddBatch(Make("a", BatchState::kAccepted)),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("another state")));
}

INSTANTIATE_TEST_SUITE_P(Kinds, BatchArchiveTest, ::testing::Bool());

TEST(FolderBatchArchiveTest, KeepsBatchesWhenTheProcessEnds) {
  TempDir dir;
  ASSERT_OK(FolderBatchArchive(dir.path())
                .AddBatch(Make("a", BatchState::kQuarantined)));
  EXPECT_EQ(FolderBatchArchive(dir.path()).GetBatch("a")->payload, "lines\n");
}

TEST(FolderBatchArchiveTest, AnIdIsNoPath) {
  TempDir dir;
  FolderBatchArchive archive(dir / "batches");
  ASSERT_OK(WriteFileAtomically(dir / "x.json", "{}"));
  EXPECT_THAT(archive.GetBatch("../x").status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("no batch")));
}

TEST(FolderBatchArchiveTest, ADamagedFileIsNamed) {
  TempDir dir;
  ASSERT_OK(WriteFileAtomically(dir / "a.json", "{\"batch_id\": \"a\"}"));
  EXPECT_THAT(FolderBatchArchive(dir.path()).GetBatch("a").status(),
              StatusIs(absl::StatusCode::kDataLoss, HasSubstr("a.json")));
}

}  // namespace
}  // namespace rlhf
