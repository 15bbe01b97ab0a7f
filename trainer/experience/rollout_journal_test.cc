#include "trainer/experience/rollout_journal.h"

#include <sys/resource.h>

#include <csignal>

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

v1::Rollout Rollout(const std::string& id) {
  v1::Rollout rollout;
  rollout.set_rollout_id(id);
  for (int i = 0; i < 20; ++i) rollout.add_response_ids(i);
  return rollout;
}

// A journal with a header and the rollouts a, b and c, on disk.
class RolloutJournalTest : public ::testing::Test {
 protected:
  void SetUp() override {
    v1::BatchHeader header;
    header.set_update(12);
    header.mutable_pm()->set_version(3);
    header.set_reward_mean(0.5);
    ASSERT_OK_AND_ASSIGN(RolloutJournal journal,
                         RolloutJournal::Create(path_, header));
    ends_.push_back(Bytes().size());
    ASSERT_OK(journal.Append({Rollout("a")}));
    ends_.push_back(Bytes().size());
    ASSERT_OK(journal.Append({Rollout("b"), Rollout("c")}));
    // b and c are equally long.
    ends_.push_back(ends_[1] + (Bytes().size() - ends_[1]) / 2);
    ends_.push_back(Bytes().size());
  }

  std::string Bytes() const { return *ReadFile(path_); }
  void Put(const std::string& bytes) {
    ASSERT_OK(WriteFileAtomically(path_, bytes));
  }
  absl::Status Reopen() {
    return RolloutJournal::Open(path_, contents_).status();
  }
  std::vector<std::string> Ids() const {
    std::vector<std::string> ids;
    for (const v1::Rollout& rollout : contents_.rollouts) {
      ids.push_back(rollout.rollout_id());
    }
    return ids;
  }

  const TempDir dir_;
  const std::string path_ = dir_ / "000012.pb";
  JournalContents contents_;
  // Where the header and each rollout end.
  std::vector<size_t> ends_;
};

TEST_F(RolloutJournalTest, GivesBackHeaderAndRolloutsInOrder) {
  ASSERT_OK(Reopen());

  EXPECT_EQ(contents_.header.update(), 12);
  EXPECT_EQ(contents_.header.pm().version(), 3);
  EXPECT_EQ(contents_.header.reward_mean(), 0.5);
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(contents_.rollouts[1].SerializeAsString(),
            Rollout("b").SerializeAsString());
}

TEST_F(RolloutJournalTest, IsAppendedToAfterReopening) {
  {
    ASSERT_OK_AND_ASSIGN(RolloutJournal journal,
                         RolloutJournal::Open(path_, contents_));
    ASSERT_OK(journal.Append({Rollout("d")}));
  }
  ASSERT_OK(Reopen());
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c", "d"));
}

// Every place where a crash can cut the file short.
TEST_F(RolloutJournalTest, ATornTailIsCutOffWhereverItIsTorn) {
  const std::string whole = Bytes();
  for (size_t size = ends_[0]; size < whole.size(); ++size) {
    Put(whole.substr(0, size));
    ASSERT_OK(Reopen()) << size;
    const size_t expected = size >= ends_[2] ? 2 : size >= ends_[1] ? 1 : 0;
    ASSERT_EQ(contents_.rollouts.size(), expected) << size;
    ASSERT_EQ(Bytes().size(), ends_[expected]) << size;
  }
}

TEST_F(RolloutJournalTest, WhatIsAppendedAfterATornTailIsRead) {
  Put(Bytes().substr(0, ends_[3] - 1));
  {
    ASSERT_OK_AND_ASSIGN(RolloutJournal journal,
                         RolloutJournal::Open(path_, contents_));
    ASSERT_OK(journal.Append({Rollout("d")}));
  }
  ASSERT_OK(Reopen());
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "d"));
}

// A power failure can leave the file long and its last blocks empty.
TEST_F(RolloutJournalTest, ATailOfZerosIsCutOff) {
  Put(Bytes() + std::string(4096, '\0'));
  ASSERT_OK(Reopen());
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(Bytes().size(), ends_[3]);
}

// One damaged bit at every byte before the last record: length, hash or body.
TEST_F(RolloutJournalTest, DamageBeforeTheLastRecordIsAnErrorWithItsOffset) {
  const std::string whole = Bytes();
  for (size_t at = 0; at < ends_[2]; ++at) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x40);
    Put(damaged);
    const size_t offset = at < ends_[0]   ? 0
                          : at < ends_[1] ? ends_[0]
                                          : ends_[1];
    ASSERT_THAT(Reopen(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_),
                               HasSubstr(absl::StrCat("offset ", offset, " ")),
                               HasSubstr("restore the file"))))
        << "damage at " << at;
    ASSERT_EQ(Bytes(), damaged);
  }
}

TEST_F(RolloutJournalTest, AFileWithoutAHeaderSaysWhatToDo) {
  for (const std::string& bytes :
       {std::string(), std::string("xyz"), std::string(100, '\0')}) {
    Put(bytes);
    EXPECT_THAT(Reopen(),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_), HasSubstr("no intact header"),
                               HasSubstr("delete the file"))));
  }
}

TEST_F(RolloutJournalTest, AMissingFileIsNamed) {
  EXPECT_THAT(RolloutJournal::Open(dir_ / "none.pb", contents_).status(),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("none.pb")));
}

TEST_F(RolloutJournalTest, CreateRefusesToReplace) {
  EXPECT_THAT(RolloutJournal::Create(path_, v1::BatchHeader()).status(),
              StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr(path_)));
}

// A limit on the file size stands for a disk that is full: the first part of
// the record is written, the rest is refused.
TEST_F(RolloutJournalTest, AFailedAppendLeavesTheFileAsItWas) {
  ASSERT_OK_AND_ASSIGN(RolloutJournal journal,
                       RolloutJournal::Open(path_, contents_));
  const std::string before = Bytes();
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit old_limit;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &old_limit), 0);
  rlimit limit = old_limit;
  limit.rlim_cur = before.size() + 10;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &limit), 0);
  const absl::Status status = journal.Append({Rollout("d")});
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &old_limit), 0);

  EXPECT_THAT(status,
              StatusIs(absl::StatusCode::kResourceExhausted, HasSubstr(path_)));
  EXPECT_EQ(Bytes(), before);
  ASSERT_OK(journal.Append({Rollout("e")}));
  ASSERT_OK(Reopen());
  EXPECT_THAT(Ids(), ElementsAre("a", "b", "c", "e"));
}

TEST_F(RolloutJournalTest, ARewrittenJournalTakesTheOldOnesPlace) {
  ASSERT_OK_AND_ASSIGN(
      RolloutJournal rewritten,
      RolloutJournal::Create(path_ + ".rescored", v1::BatchHeader()));
  ASSERT_OK(rewritten.MoveTo(path_));
  ASSERT_OK(rewritten.Append({Rollout("z")}));

  ASSERT_OK(Reopen());
  EXPECT_THAT(Ids(), ElementsAre("z"));
  EXPECT_THAT(ListDirectory(dir_.path()), ElementsAre("000012.pb"));
}

TEST_F(RolloutJournalTest, AnEmptyAppendChangesNothing) {
  ASSERT_OK_AND_ASSIGN(RolloutJournal journal,
                       RolloutJournal::Open(path_, contents_));
  const std::string before = Bytes();
  EXPECT_OK(journal.Append({}));
  EXPECT_EQ(Bytes(), before);
}

TEST(JournalPathTest, IsNamedForTheUpdate) {
  EXPECT_EQ(JournalPath("runs/x", 12), "runs/x/rollouts/000012.pb");
}

}  // namespace
}  // namespace rlhf
