#include "feedback/preference_store.h"

#include <signal.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;

v1::Comparison MakeComparison(const std::string& id,
                              v1::Choice choice = v1::A_BETTER) {
  v1::Comparison comparison;
  comparison.set_comparison_id(id);
  comparison.mutable_prompt()->set_prompt_id("0123456789abcdef");
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("Hello?");
  comparison.set_response_a("yes");
  comparison.set_response_b("no");
  comparison.set_choice(choice);
  comparison.set_strength(choice == v1::A_BETTER ? 2 : 0);
  comparison.set_worker_id("ada");
  return comparison;
}

class PreferenceStoreTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<PreferenceStore>> Open(
      const std::string& path) {
    return PreferenceStore::Open(path, &clock_, &metrics_);
  }
  std::unique_ptr<PreferenceStore> MustOpen() {
    auto store = Open(path_);
    EXPECT_OK(store);
    return *std::move(store);
  }
  void Fill(int num_comparisons) {
    const auto store = MustOpen();
    for (int i = 0; i < num_comparisons; ++i) {
      ASSERT_OK(store->Append(MakeComparison(absl::StrCat("c", i))));
    }
  }

  TempDir dir_;
  const std::string path_ = dir_ / "comparisons.db";
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

TEST_F(PreferenceStoreTest, NumbersFromOneAndSurvivesReopening) {
  {
    const auto store = MustOpen();
    EXPECT_EQ(store->Append(MakeComparison("one"))->seq, 1);
    EXPECT_EQ(store->Append(MakeComparison("two", v1::TIE))->seq, 2);
  }
  const auto store = MustOpen();

  ASSERT_OK_AND_ASSIGN(const auto read, store->Read(1, 100));
  ASSERT_THAT(read, SizeIs(2));
  EXPECT_EQ(read[0].comparison_id(), "one");
  EXPECT_EQ(read[1].seq(), 2);
  EXPECT_EQ(read[1].committed_unix_ms(), 1'700'000'000'000);
  const PreferenceStore::Stats stats = store->GetStats();
  EXPECT_EQ(stats.num_comparisons, 2);
  EXPECT_EQ(stats.num_decided, 1);
  EXPECT_EQ(stats.num_by_worker.at("ada"), 2);
}

TEST_F(PreferenceStoreTest, SameIdAndContentIsAcknowledgedOnce) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));
  clock_.Advance(absl::Seconds(5));

  ASSERT_OK_AND_ASSIGN(const auto again, store->Append(MakeComparison("one")));
  EXPECT_EQ(again.seq, 1);
  EXPECT_TRUE(again.duplicate);
  EXPECT_EQ(store->GetStats().num_comparisons, 1);
  EXPECT_EQ(metrics_.comparisons_duplicate.Value(), 1);
}

TEST_F(PreferenceStoreTest, SameIdWithOtherContentIsRefused) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));

  EXPECT_THAT(store->Append(MakeComparison("one", v1::B_BETTER)),
              StatusIs(absl::StatusCode::kAlreadyExists,
                       AllOf(HasSubstr("\"one\""), HasSubstr("seq 1"))));
  EXPECT_THAT(store->Append(MakeComparison("")),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("comparison_id is empty")));
}

TEST_F(PreferenceStoreTest, BatchIsAllOrNothing) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("one")));

  EXPECT_THAT(
      store->AppendAll({MakeComparison("two"), MakeComparison("one", v1::TIE)}),
      StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("one")));
  EXPECT_EQ(store->GetStats().num_comparisons, 1);
  ASSERT_OK_AND_ASSIGN(
      const auto appended,
      store->AppendAll({MakeComparison("two"), MakeComparison("two")}));
  EXPECT_EQ(appended[0].seq, 2);
  EXPECT_TRUE(appended[1].duplicate);
  EXPECT_OK(store->VerifyChain());
}

TEST_F(PreferenceStoreTest, ChainIsShaOverThePreviousLinkAndTheBytes) {
  const auto store = MustOpen();
  const std::string zeros(64, '0');
  EXPECT_EQ(store->GetStats().chain_head, zeros);
  ASSERT_OK(store->Append(MakeComparison("one")));

  v1::Comparison stored = MakeComparison("one");
  stored.set_seq(1);
  stored.set_committed_unix_ms(1'700'000'000'000);
  EXPECT_EQ(store->GetStats().chain_head,
            Sha256Hex(zeros + stored.SerializeAsString()));
}

TEST_F(PreferenceStoreTest, ChangedRowBreaksTheChainAndIsRefused) {
  Fill(3);
  {
    ASSERT_OK_AND_ASSIGN(SqliteDatabase database, SqliteDatabase::Open(path_));
    v1::Comparison forged = MakeComparison("c1", v1::B_BETTER);
    forged.set_seq(2);
    ASSERT_OK_AND_ASSIGN(
        SqliteStatement update,
        database.Prepare("UPDATE comparisons SET bytes = ? WHERE seq = 2"));
    update.BindBlob(1, forged.SerializeAsString());
    ASSERT_OK(update.Step());
  }
  EXPECT_THAT(Open(path_),
              StatusIs(absl::StatusCode::kDataLoss,
                       AllOf(HasSubstr("hash chain breaks at comparison 2"),
                             HasSubstr(path_))));
}

TEST_F(PreferenceStoreTest, CorruptedFilesAreRefusedAndLeftAsTheyAre) {
  Fill(50);
  ASSERT_OK_AND_ASSIGN(const std::string good, ReadFile(path_));
  std::string scribbled = good;
  for (size_t i = 4096; i < scribbled.size(); i += 7) scribbled[i] = 'x';
  for (const std::string& bad :
       {std::string(), std::string("not a database, just some text"),
        good.substr(0, good.size() / 2), scribbled}) {
    ASSERT_OK(WriteFileAtomically(path_, bad));
    EXPECT_THAT(Open(path_),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_), HasSubstr("left as it is"))));
    EXPECT_EQ(*ReadFile(path_), bad);
  }
}

TEST_F(PreferenceStoreTest, SecondInstanceIsRefusedWithTheFirstOnesPid) {
  const auto store = MustOpen();
  EXPECT_THAT(
      Open(path_),
      StatusIs(absl::StatusCode::kFailedPrecondition,
               HasSubstr(absl::StrCat("held by process ", ::getpid()))));
}

// A child appends and reports each acknowledged id through a pipe, until it is
// killed at an arbitrary moment; the retry of the next child begins with the
// comparison that was cut off.
TEST_F(PreferenceStoreTest, KilledTwentyTimesLosesAndDoublesNothing) {
  std::set<std::string> acknowledged;
  for (int round = 0; round < 20; ++round) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      const auto store = Open(path_);
      if (!store.ok()) ::_exit(3);
      for (int i = static_cast<int>(acknowledged.size());; ++i) {
        if (!(*store)->Append(MakeComparison(absl::StrCat("c", i))).ok()) {
          ::_exit(4);
        }
        const std::string line = absl::StrCat("c", i, "\n");
        if (::write(ends[1], line.data(), line.size()) < 0) ::_exit(5);
      }
    }
    ::close(ends[1]);
    FILE* const acks = ::fdopen(ends[0], "r");
    char line[32];
    // Odd numbers of acknowledgements, so that the kill meets every phase.
    for (int i = 0; i < 3 + round; ++i) {
      ASSERT_NE(std::fgets(line, sizeof(line), acks), nullptr);
      acknowledged.insert(std::string(line, strlen(line) - 1));
    }
    ::kill(child, SIGKILL);
    while (std::fgets(line, sizeof(line), acks) != nullptr) {
      acknowledged.insert(std::string(line, strlen(line) - 1));
    }
    std::fclose(acks);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
  }
  const auto store = MustOpen();
  ASSERT_OK_AND_ASSIGN(const auto log, store->Read(1, 1'000'000));
  std::set<std::string> stored;
  for (const v1::Comparison& comparison : log) {
    EXPECT_TRUE(stored.insert(comparison.comparison_id()).second)
        << comparison.comparison_id() << " is there twice";
  }
  for (const std::string& id : acknowledged) {
    EXPECT_TRUE(stored.contains(id)) << id << " was acknowledged and is lost";
  }
  EXPECT_GE(acknowledged.size(), 200u);
  // At most the one in flight was saved without an acknowledgement.
  EXPECT_LE(stored.size(), acknowledged.size() + 1);
}

TEST_F(PreferenceStoreTest, FullDiskLosesNothingAndHealsWhenThereIsSpace) {
  const std::string small = dir_ / "small";
  ASSERT_OK(MakeDirectories(small));
  if (::mount("tmpfs", small.c_str(), "tmpfs", 0, "size=512k") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(small + "/comparisons.db"));
    v1::Comparison big = MakeComparison("");
    big.set_response_a(std::string(10'000, 'a'));
    absl::Status status;
    int64_t num_saved = 0;
    for (int i = 0; status.ok() && i < 100; ++i) {
      big.set_comparison_id(absl::StrCat("c", i));
      status = store->Append(big).status();
      if (status.ok()) ++num_saved;
    }
    EXPECT_THAT(status, StatusIs(absl::StatusCode::kResourceExhausted,
                                 AllOf(HasSubstr("comparisons.db"),
                                       HasSubstr("free some space"))));
    EXPECT_GE(num_saved, 5);
    EXPECT_EQ(store->GetStats().num_comparisons, num_saved);
    EXPECT_OK(store->VerifyChain());
    EXPECT_EQ(
        metrics_.store_errors.Of(absl::StatusCode::kResourceExhausted).Value(),
        1);

    ASSERT_EQ(::mount("tmpfs", small.c_str(), "tmpfs", MS_REMOUNT, "size=4m"),
              0);
    ASSERT_OK_AND_ASSIGN(const auto saved, store->Append(big));
    EXPECT_EQ(saved.seq, num_saved + 1);
    EXPECT_OK(store->VerifyChain());
  }
  EXPECT_EQ(::umount(small.c_str()), 0);
}

}  // namespace
}  // namespace rlhf
