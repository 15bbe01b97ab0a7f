#include "feedback/sqlite_table.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "feedback/comparison_chain.h"
#include "feedback/preference_store.h"
#include "feedback/sqlite.h"
#include "feedback/test_comparisons.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SqliteTableTest : public ::testing::Test {
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
    for (int i = 1; i <= num_comparisons; ++i) {
      v1::Comparison comparison = MakeComparison(absl::StrCat("c", i));
      comparison.set_response_a(std::string(300, 'a'));
      ASSERT_OK(store->Append(comparison));
    }
  }
  void Change(const std::string& sql) {
    ASSERT_OK_AND_ASSIGN(SqliteDatabase database, SqliteDatabase::Open(path_));
    ASSERT_OK(database.Execute(sql));
  }
  // Whether any file of the store holds `text`.
  bool IsInFiles(const std::string& text) {
    for (const std::string& file : ListDirectory(dir_.path())) {
      if (absl::StrContains(*ReadFile(dir_ / file), text)) return true;
    }
    return false;
  }

  TempDir dir_;
  const std::string path_ = dir_ / "comparisons.db";
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

TEST_F(SqliteTableTest, FilesOfAStoreAreTheirOwnersOnly) {
  const auto store = MustOpen();
  ASSERT_OK(store->Append(MakeComparison("c1")));
  ASSERT_OK(store->Backup(dir_ / "copy.db"));
  for (const char* name : {"comparisons.db", "comparisons.db-wal", "copy.db"}) {
    struct stat info = {};
    ASSERT_EQ(::stat((dir_ / name).c_str(), &info), 0) << name;
    EXPECT_EQ(info.st_mode & 0777, 0600u) << name;
  }
}

TEST_F(SqliteTableTest, NothingIsAcknowledgedIntoAFileThatWasMovedOrRemoved) {
  for (const std::string& name : {path_, path_ + "-wal"}) {
    const auto store = MustOpen();
    const std::string id = name == path_ ? "a" : "b";
    ASSERT_OK(store->Append(MakeComparison(id + "1")));
    ASSERT_EQ(::rename(name.c_str(), (dir_ / "moved").c_str()), 0);
    EXPECT_THAT(store->Append(MakeComparison(id + "2")),
                StatusIs(absl::StatusCode::kUnavailable,
                         AllOf(HasSubstr(name), HasSubstr("was moved"),
                               HasSubstr("rlhf feedback backup"))));
    // What was acknowledged can still be saved.
    EXPECT_OK(store->Backup(dir_ / (id + ".backup")));
    ASSERT_EQ(::rename((dir_ / "moved").c_str(), name.c_str()), 0);
    EXPECT_OK(store->Append(MakeComparison(id + "2"))) << "it is back";
  }
  EXPECT_EQ(MustOpen()->GetStats().num_comparisons, 4);
}

TEST_F(SqliteTableTest, EmptyHalvedAndForeignFilesAreRefusedAndLeftAsTheyAre) {
  Fill(50);
  ASSERT_OK_AND_ASSIGN(const std::string good, ReadFile(path_));
  for (const std::string& bad :
       {std::string(), std::string("not a database, just some text"),
        good.substr(0, good.size() / 2)}) {
    ASSERT_OK(WriteFileAtomically(path_, bad));
    EXPECT_THAT(Open(path_),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_), HasSubstr("left as it is"))));
    EXPECT_EQ(*ReadFile(path_), bad);
  }
}

TEST_F(SqliteTableTest,
       DamageInHeaderOrMiddleIsRefusedAHundredTimesOfAHundred) {
  Fill(60);
  ASSERT_OK_AND_ASSIGN(const std::string good, ReadFile(path_));
  constexpr size_t kPage = 4096;
  ASSERT_GT(good.size(), 4 * kPage);
  std::mt19937 random(1);
  for (int i = 0; i < 100; ++i) {
    // The header's 100 bytes, or as many as a page somewhere behind the first.
    const bool in_header = i % 2 == 0;
    const size_t begin =
        in_header ? 0 : kPage + random() % (good.size() - 2 * kPage);
    const size_t size = in_header ? 100 : kPage;
    std::string bad = good;
    for (size_t k = 0; k < size; ++k) {
      bad[begin + k] = static_cast<char>(random());
    }
    ASSERT_OK(WriteFileAtomically(path_, bad));
    EXPECT_THAT(Open(path_),
                StatusIs(absl::StatusCode::kDataLoss,
                         AllOf(HasSubstr(path_), HasSubstr("left as it is"))))
        << "bytes " << begin << " to " << begin + size;
    EXPECT_EQ(Sha256Hex(*ReadFile(path_)), Sha256Hex(bad));
  }
  ASSERT_OK(WriteFileAtomically(path_, good));
  EXPECT_OK(Open(path_));
}

TEST_F(SqliteTableTest, ChangedDigestOrMissingRetractionIsDamage) {
  Fill(3);
  Change(absl::StrCat("UPDATE comparisons SET digest = '", std::string(64, 'a'),
                      "' WHERE seq = 3"));
  EXPECT_THAT(Open(path_), StatusIs(absl::StatusCode::kDataLoss,
                                    HasSubstr("breaks at comparison 3")));
  ASSERT_OK(RemoveAll(path_));
  Fill(3);
  ASSERT_OK(MustOpen()->Retract({.comparison_ids = {"c3"}}, "r", "grace"));
  Change("DELETE FROM retractions");
  EXPECT_THAT(Open(path_), StatusIs(absl::StatusCode::kDataLoss,
                                    HasSubstr("no retraction says why")));
}

TEST_F(SqliteTableTest, RetractedTextIsInNoFile) {
  Fill(20);
  const auto store = MustOpen();
  v1::Comparison secret = MakeComparison("secret");
  // One that fits into a page and one that does not.
  secret.set_response_a("the-small-secret");
  secret.set_response_b(
      absl::StrCat(std::string(9000, 'b'), "the-large-secret"));
  ASSERT_OK(store->Append(secret));
  ASSERT_TRUE(IsInFiles("the-small-secret"));
  ASSERT_OK(store->Retract({.comparison_ids = {"secret"}}, "r", "grace"));
  EXPECT_FALSE(IsInFiles("the-small-secret"));
  EXPECT_FALSE(IsInFiles("the-large-secret"));
  EXPECT_FALSE(IsInFiles("bbbbbbbb"));
}

TEST_F(SqliteTableTest, BackupIsAStoreThatEndsAlike) {
  Fill(50);
  std::string head;
  {
    const auto store = MustOpen();
    ASSERT_OK(store->Retract({.comparison_ids = {"c7"}}, "r", "grace"));
    ASSERT_OK(store->Backup(dir_ / "backup.db"));
    head = store->GetStats().chain_head;
    EXPECT_THAT(
        store->Backup(dir_ / "backup.db"),
        StatusIs(absl::StatusCode::kAlreadyExists, HasSubstr("another name")));
    EXPECT_OK(store->Append(MakeComparison("more")));
  }
  ASSERT_OK_AND_ASSIGN(const auto copy, Open(dir_ / "backup.db"));
  EXPECT_EQ(copy->GetStats().chain_head, head);
  EXPECT_EQ(copy->GetStats().num_comparisons, 50);
  EXPECT_EQ(copy->GetStats().num_retracted, 1);
  EXPECT_EQ(copy->Append(MakeComparison("other"))->seq, 51);
}

TEST_F(SqliteTableTest, BackupThatDoesNotFitLeavesNothingUnderItsName) {
  Fill(3);
  const auto store = MustOpen();
  EXPECT_FALSE(store->Backup(dir_ / "no/such/folder/backup.db").ok());
  EXPECT_OK(store->Append(MakeComparison("more")));
}

TEST_F(SqliteTableTest, ReadOnlyDiskIsNamedAndHarmsNothing) {
  const std::string disk = dir_ / "disk";
  ASSERT_OK(MakeDirectories(disk));
  if (::mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=4m") != 0) {
    GTEST_SKIP() << "needs the right to mount a small tmpfs";
  }
  const std::string path = disk + "/comparisons.db";
  ASSERT_OK((*Open(path))->Append(MakeComparison("one")));
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT | MS_RDONLY,
                    "size=4m"),
            0);
  EXPECT_THAT(Open(path),
              StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr(path)));
  ASSERT_EQ(::mount("tmpfs", disk.c_str(), "tmpfs", MS_REMOUNT, "size=4m"), 0);
  {
    ASSERT_OK_AND_ASSIGN(const auto store, Open(path));
    EXPECT_EQ(store->GetStats().num_comparisons, 1);
  }
  EXPECT_EQ(::umount(disk.c_str()), 0);
}

// A file as schema 1 was: a chain over the rows' bytes.
class MigrationTest : public SqliteTableTest {
 protected:
  std::string WriteSchema1(int num_comparisons) {
    auto database = SqliteDatabase::Open(path_);
    EXPECT_OK(database);
    EXPECT_OK(database->Execute(
        "PRAGMA application_id=0x726c6866; PRAGMA user_version=1;"
        "CREATE TABLE comparisons(seq INTEGER PRIMARY KEY,"
        " comparison_id TEXT NOT NULL UNIQUE, bytes BLOB NOT NULL,"
        " chain TEXT NOT NULL) STRICT; PRAGMA journal_mode=WAL;"));
    auto insert =
        database->Prepare("INSERT INTO comparisons VALUES (?, ?, ?, ?)");
    EXPECT_OK(insert);
    std::string head(64, '0');
    for (int seq = 1; seq <= num_comparisons; ++seq) {
      v1::Comparison comparison = MakeComparison(absl::StrCat("c", seq));
      comparison.set_seq(seq);
      head = Sha256Hex(head + comparison.SerializeAsString());
      insert->BindInt(1, seq);
      insert->BindText(2, comparison.comparison_id());
      insert->BindBlob(3, comparison.SerializeAsString());
      insert->BindText(4, head);
      EXPECT_OK(insert->Step());
      insert->Reset();
    }
    return head;
  }
};

TEST_F(MigrationTest, OldFileIsCopiedAndGoesOnInTheNewSchema) {
  WriteSchema1(1200);
  ASSERT_OK_AND_ASSIGN(const std::string old, ReadFile(path_));
  {
    const auto store = MustOpen();
    EXPECT_EQ(store->GetStats().num_comparisons, 1200);
    EXPECT_EQ(store->GetStats().num_by_worker.at("ada"), 1200);
    EXPECT_TRUE(store->Append(MakeComparison("c5"))->duplicate);
    EXPECT_EQ(store->Append(MakeComparison("new"))->seq, 1201);
    ASSERT_OK(store->Retract({.comparison_ids = {"c5"}}, "r", "grace"));
  }
  EXPECT_OK(MustOpen()->VerifyChain());
  // The copy is a store of schema 1, which opens and ends as the old one did.
  ASSERT_OK_AND_ASSIGN(const auto copy, Open(path_ + ".v1"));
  EXPECT_EQ(copy->GetStats().num_comparisons, 1200);
  EXPECT_TRUE(FileExists(path_ + ".v1.v1"));
}

TEST_F(MigrationTest, OldFileWithABrokenChainIsLeftAsItIs) {
  WriteSchema1(5);
  Change("UPDATE comparisons SET bytes = x'00' WHERE seq = 4");
  EXPECT_THAT(Open(path_), StatusIs(absl::StatusCode::kDataLoss,
                                    HasSubstr("breaks at comparison 4")));
  EXPECT_FALSE(FileExists(path_ + ".v1"));
  ASSERT_OK_AND_ASSIGN(SqliteDatabase database, SqliteDatabase::Open(path_));
  EXPECT_EQ(*database.QueryInt("PRAGMA user_version"), 1);
}

TEST_F(MigrationTest, AnotherFileInTheCopysPlaceIsNotOverwritten) {
  WriteSchema1(5);
  ASSERT_OK(WriteFileAtomically(path_ + ".v1", "mine"));
  EXPECT_THAT(Open(path_), StatusIs(absl::StatusCode::kAlreadyExists,
                                    HasSubstr("move it away")));
  EXPECT_EQ(*ReadFile(path_ + ".v1"), "mine");
  ASSERT_OK(RemoveAll(path_ + ".v1"));
  EXPECT_OK(Open(path_));
}

TEST_F(MigrationTest, CopyOfAnAttemptThatWasCutOffIsUsed) {
  WriteSchema1(5);
  {
    ASSERT_OK_AND_ASSIGN(SqliteDatabase database, SqliteDatabase::Open(path_));
    ASSERT_OK(database.CopyTo(path_ + ".v1"));
  }
  EXPECT_EQ(MustOpen()->GetStats().num_comparisons, 5);
}

}  // namespace
}  // namespace rlhf
