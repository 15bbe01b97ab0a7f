#include "trainer/checkpoint/checkpoint_store.h"

#include <cmath>
#include <fstream>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

// What a checkpoint of `step` holds: two files that name it.
absl::Status Fill(int64_t step, const std::string& folder) {
  const absl::Status status =
      WriteFileAtomically(folder + "/state", absl::StrCat("state of ", step));
  if (!status.ok()) return status;
  return WriteFileAtomically(
      folder + "/weights",
      std::string(2000, static_cast<char>('a' + step % 26)));
}

class CheckpointStoreTest : public ::testing::Test {
 protected:
  absl::Status Save(int64_t step, int num_kept = 2) {
    return CheckpointStore(root_, num_kept)
        .Save(step,
              [step](const std::string& folder) { return Fill(step, folder); });
  }
  // Keeps the newest and the two best.
  absl::Status SaveWithMetric(int64_t step, std::optional<double> metric) {
    return CheckpointStore(root_, 1, 2)
        .Save(
            step,
            [step](const std::string& folder) { return Fill(step, folder); },
            metric);
  }
  // The step of the newest checkpoint; -1 for none, -2 for an error.
  int64_t Newest() {
    const auto newest = CheckpointStore(root_, 2).Newest();
    if (!newest.ok()) return -2;
    return newest->has_value() ? (*newest)->step : -1;
  }
  void Damage(const std::string& file) {
    ASSERT_OK_AND_ASSIGN(std::string bytes, ReadFile(root_ + "/" + file));
    bytes[bytes.size() / 2] ^= 1;
    ASSERT_OK(WriteFileAtomically(root_ + "/" + file, bytes));
  }

  const TempDir dir_;
  const std::string root_ = dir_ / "checkpoints";
};

TEST_F(CheckpointStoreTest, NoFolderMeansNoCheckpoint) {
  EXPECT_EQ(Newest(), -1);
}

TEST_F(CheckpointStoreTest, TheNewestIsByNumberNotByTime) {
  ASSERT_OK(Save(12));
  ASSERT_OK(Save(8));

  ASSERT_OK_AND_ASSIGN(const auto newest, CheckpointStore(root_, 2).Newest());

  ASSERT_TRUE(newest.has_value());
  EXPECT_EQ(newest->step, 12);
  EXPECT_EQ(newest->directory, root_ + "/000012");
  ASSERT_OK_AND_ASSIGN(const std::string state,
                       ReadFile(newest->directory + "/state"));
  EXPECT_EQ(state, "state of 12");
}

TEST_F(CheckpointStoreTest, StepsBeyondSixDigitsAreNewer) {
  ASSERT_OK(Save(999'999));
  ASSERT_OK(Save(1'000'000));
  EXPECT_EQ(Newest(), 1'000'000);
}

TEST_F(CheckpointStoreTest, TheManifestHasSizeAndHashOfEveryFile) {
  ASSERT_OK(Save(3));
  ASSERT_OK_AND_ASSIGN(const std::string manifest,
                       ReadFile(root_ + "/000003/manifest.json"));
  // From sha256sum over "state of 3".
  EXPECT_THAT(manifest,
              AllOf(HasSubstr("\"state\""), HasSubstr("\"bytes\": 10"),
                    HasSubstr("0f7c0db0191b4037a80555f88b8d9a7076321d67d8972779"
                              "74697ce6bf3dab52"),
                    HasSubstr("\"weights\""), HasSubstr("\"bytes\": 2000")));
}

TEST_F(CheckpointStoreTest, KeepsTheNewest) {
  for (const int64_t step : {1, 2, 3, 4}) ASSERT_OK(Save(step));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000003", "000004"));
}

TEST_F(CheckpointStoreTest, KeepsTheBestBesideTheNewest) {
  for (const auto& [step, metric] :
       {std::pair(1, 0.5), {2, 0.9}, {3, -1.0}, {4, 0.7}, {5, 0.1}}) {
    ASSERT_OK(SaveWithMetric(step, metric));
  }
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000002", "000004", "000005"));
  EXPECT_EQ(Newest(), 5);

  // The newest may be one of the best; of equal ones the newer is better.
  ASSERT_OK(SaveWithMetric(6, 0.9));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000002", "000006"));
}

TEST_F(CheckpointStoreTest, WithoutAFiniteMetricItIsNeverAmongTheBest) {
  ASSERT_OK(SaveWithMetric(1, -100));
  ASSERT_OK(SaveWithMetric(2, std::nan("")));
  ASSERT_OK(SaveWithMetric(3, HUGE_VAL));
  ASSERT_OK(SaveWithMetric(4, std::nullopt));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000001", "000004"));
}

TEST_F(CheckpointStoreTest, TheNewestBeforeAStep) {
  for (const int64_t step : {2, 4, 6}) ASSERT_OK(Save(step, 3));
  const CheckpointStore store(root_, 3);
  EXPECT_EQ((*store.Newest(5))->step, 4);
  EXPECT_EQ((*store.Newest(4))->step, 4);
  EXPECT_FALSE((*store.Newest(1)).has_value());
}

TEST_F(CheckpointStoreTest, SavingAgainLeavesAGoodOneAndMendsADamagedOne) {
  ASSERT_OK(Save(5));
  bool filled = false;
  CheckpointStore store(root_, 2);
  ASSERT_OK(store.Save(5, [&filled](const std::string&) {
    filled = true;
    return absl::OkStatus();
  }));
  EXPECT_FALSE(filled);

  Damage("000005/state");
  ASSERT_EQ(Newest(), -2);
  ASSERT_OK(Save(5));
  EXPECT_EQ(Newest(), 5);
}

TEST_F(CheckpointStoreTest, AFailedFillLeavesNothing) {
  ASSERT_OK(Save(1));
  CheckpointStore store(root_, 2);

  const absl::Status status = store.Save(2, [](const std::string& folder) {
    EXPECT_OK(WriteFileAtomically(folder + "/half", "x"));
    return absl::ResourceExhaustedError("cannot write weights: disk full");
  });

  EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                               HasSubstr("disk full")));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000001"));
  EXPECT_EQ(Newest(), 1);
}

TEST_F(CheckpointStoreTest, RemovesWhatACrashLeft) {
  ASSERT_OK(MakeDirectories(root_ + "/000001.tmp.4711"));
  EXPECT_EQ(Newest(), -1);

  ASSERT_OK(Save(1));

  EXPECT_THAT(ListDirectory(root_), ElementsAre("000001"));
}

TEST_F(CheckpointStoreTest, ADamagedOneIsNamedAndThePreviousUsed) {
  ASSERT_OK(Save(1));
  ASSERT_OK(Save(2));
  Damage("000002/weights");

  CaptureStderr();
  const int64_t newest = Newest();

  EXPECT_THAT(GetCapturedStderr(), AllOf(HasSubstr("checkpoint passed over"),
                                         HasSubstr(root_ + "/000002/weights")));
  EXPECT_EQ(newest, 1);
}

TEST_F(CheckpointStoreTest, WhenEveryOneIsDamagedTheRunDoesNotStartFromZero) {
  ASSERT_OK(Save(1));
  ASSERT_OK(Save(2));
  Damage("000001/state");
  ASSERT_OK(RemoveAll(root_ + "/000002/manifest.json"));

  EXPECT_THAT(CheckpointStore(root_, 2).Newest().status(),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("every checkpoint in " + root_),
                             HasSubstr("000002/manifest.json: missing"),
                             HasSubstr("000001/state: missing or not what"),
                             HasSubstr("move the folder away"))));
}

// After damage the run goes on from an older step: the checkpoints that it
// writes must not fall to the damaged ones that are ahead of it.
TEST_F(CheckpointStoreTest, ADamagedNewerOneDoesNotPushOutTheOneJustSaved) {
  for (const int num_kept : {1, 2}) {
    ASSERT_OK(RemoveAll(root_));
    for (const int64_t step : {8, 12, 16}) ASSERT_OK(Save(step, 3));
    Damage("000012/state");
    Damage("000016/state");
    ASSERT_EQ(Newest(), 8);
    ASSERT_OK_AND_ASSIGN(const auto found, CheckpointStore(root_, 3).Newest());
    ASSERT_TRUE(found.has_value());
    EXPECT_EQ(found->num_damaged, 2);

    ASSERT_OK(Save(9, num_kept));

    EXPECT_EQ(Newest(), 9) << num_kept << " kept";
  }
}

TEST_F(CheckpointStoreTest, AStrangeManifestIsDamage) {
  ASSERT_OK(Save(1));
  for (const char* text :
       {"", "{", "[]", "{}", "{\"files\": 3}", "{\"files\": {}}",
        "{\"files\": {\"state\": 1}}", "{\"files\": {\"state\": {}}}"}) {
    ASSERT_OK(WriteFileAtomically(root_ + "/000001/manifest.json", text));
    EXPECT_EQ(Newest(), -2) << text;
  }
}

// A hundred times: one of the newest checkpoint's files loses bytes, changes
// a bit, or is gone.
TEST_F(CheckpointStoreTest, AnyDamageIsNoticed) {
  std::mt19937 random(1);
  ASSERT_OK(Save(1));
  ASSERT_OK(Save(2));
  for (int trial = 0; trial < 100; ++trial) {
    const std::vector<std::string> files = ListDirectory(root_ + "/000002");
    const std::string file =
        root_ + "/000002/" + files[random() % files.size()];
    ASSERT_OK_AND_ASSIGN(const std::string whole, ReadFile(file));
    std::string bytes = whole;
    const size_t at = random() % bytes.size();
    const int kind = trial % 3;
    if (kind == 0) bytes.resize(at);
    if (kind == 1) bytes[at] ^= static_cast<char>(1 << random() % 7);
    ASSERT_OK(RemoveAll(file));
    if (kind != 2) std::ofstream(file) << bytes;

    ASSERT_EQ(Newest(), 1) << file << ", kind " << kind << ", byte " << at;
    std::ofstream(file) << whole;
    ASSERT_EQ(Newest(), 2);
  }
}

}  // namespace
}  // namespace rlhf
