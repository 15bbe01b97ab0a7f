#include "core/registry/model_registry.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const TransitionCause kCause = {.by = "test", .reason = "because"};

class ModelRegistryTest : public testing::Test {
 protected:
  // Publishes a version of two files.
  absl::StatusOr<v1::ModelVersion> Publish(int64_t version) {
    return registry_.Publish(
        version, {{"parent", version - 1}}, [](const std::string& folder) {
          absl::Status status =
              WriteFileAtomically(folder + "/config.json", "{}");
          status.Update(
              WriteFileAtomically(folder + "/model.safetensors", "weights"));
          return status;
        });
  }

  std::optional<int64_t> Alias(const std::string& name) {
    const auto version = registry_.Alias(name);
    EXPECT_OK(version);
    return version.ok() ? *version : std::nullopt;
  }

  Json Card(int64_t version) {
    const auto text = ReadFile(registry_.Directory(version) + "/card.json");
    return text.ok() ? ParseJson(*text).value_or(Json()) : Json();
  }

  const TempDir folder_;
  const std::string root_ = folder_ / "registry/pm";
  ModelRegistry registry_{root_};
};

TEST_F(ModelRegistryTest, PublishesAFolderWithItsCard) {
  ASSERT_OK_AND_ASSIGN(const v1::ModelVersion version, Publish(7));

  EXPECT_EQ(version.version(), 7);
  EXPECT_EQ(registry_.Directory(7), root_ + "/000007");
  EXPECT_THAT(ListDirectory(registry_.Directory(7)),
              ElementsAre("card.json", "config.json", "model.safetensors"));
  const Json card = Card(7);
  EXPECT_EQ(card["version"], 7);
  EXPECT_EQ(card["parent"], 6);
  EXPECT_EQ(card["digest"], version.digest());
  EXPECT_EQ(card["files"]["config.json"], Sha256Hex("{}"));
  ASSERT_OK_AND_ASSIGN(const v1::ModelVersion again, registry_.Get(7));
  EXPECT_EQ(again.digest(), version.digest());
}

// The digest that any other tool can compute:
//   (for f in *; do echo "$f $(sha256sum < $f | cut -c1-64)"; done) | sha256sum
TEST_F(ModelRegistryTest, DigestIsTheHashOfTheSortedLines) {
  ASSERT_OK_AND_ASSIGN(const v1::ModelVersion version, Publish(1));
  const std::string lines =
      absl::StrCat("config.json ", Sha256Hex("{}"), "\nmodel.safetensors ",
                   Sha256Hex("weights"), "\n");
  EXPECT_EQ(version.digest(), Sha256Hex(lines));
  EXPECT_OK(registry_.Verify(1));
}

TEST_F(ModelRegistryTest, NeverReplacesAVersion) {
  ASSERT_OK(Publish(1));
  EXPECT_THAT(Publish(1), StatusIs(StatusCode::kAlreadyExists,
                                   HasSubstr(registry_.Directory(1))));
  EXPECT_OK(registry_.Verify(1));
}

TEST_F(ModelRegistryTest, LosesARaceForAVersionWithoutHarm) {
  // Another process publishes the version while this one fills its own.
  const auto status = registry_.Publish(1, {}, [&](const std::string& mine) {
    std::filesystem::create_directory(registry_.Directory(1));
    absl::Status written =
        WriteFileAtomically(registry_.Directory(1) + "/theirs", "x");
    written.Update(WriteFileAtomically(mine + "/mine", "y"));
    return written;
  });
  EXPECT_THAT(status, StatusIs(StatusCode::kAlreadyExists,
                               HasSubstr(registry_.Directory(1))));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000001"));
  EXPECT_THAT(ListDirectory(registry_.Directory(1)), ElementsAre("theirs"));
}

TEST_F(ModelRegistryTest, LeavesNothingWhenFillingFails) {
  const auto status = registry_.Publish(1, {}, [](const std::string& folder) {
    EXPECT_OK(WriteFileAtomically(folder + "/half", "x"));
    return absl::ResourceExhaustedError("disk full");
  });
  EXPECT_THAT(status,
              StatusIs(StatusCode::kResourceExhausted, HasSubstr("disk full")));
  EXPECT_THAT(ListDirectory(root_), ElementsAre());
  EXPECT_OK(Publish(1));
}

TEST_F(ModelRegistryTest, IgnoresAndRemovesWhatAKilledPublisherLeft) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    registry_
        .Publish(1, {},
                 [](const std::string& folder) {
                   WriteFileAtomically(folder + "/half", "x").IgnoreError();
                   _exit(0);  // as kill -9 would
                   return absl::OkStatus();
                 })
        .IgnoreError();
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  const std::string leftover = absl::StrCat("000001.tmp.", child);
  ASSERT_THAT(ListDirectory(root_), Contains(leftover));
  EXPECT_EQ(registry_.Latest(), 0);
  EXPECT_THAT(registry_.Get(1),
              StatusIs(StatusCode::kNotFound,
                       HasSubstr(registry_.Directory(1) + "/card.json")));

  ASSERT_OK(Publish(1));
  EXPECT_THAT(ListDirectory(root_), ElementsAre("000001"));
  EXPECT_OK(registry_.Verify(1));
}

TEST_F(ModelRegistryTest, VerifyNamesTheDamagedFiles) {
  ASSERT_OK(Publish(1));
  const std::string directory = registry_.Directory(1);
  ASSERT_OK(WriteFileAtomically(directory + "/model.safetensors", "weighty"));
  ASSERT_OK(RemoveAll(directory + "/config.json"));
  ASSERT_OK(WriteFileAtomically(directory + "/stray.bin", "?"));
  EXPECT_THAT(
      registry_.Verify(1),
      StatusIs(StatusCode::kDataLoss,
               AllOf(HasSubstr(directory),
                     HasSubstr("config.json is missing, model.safetensors is "
                               "not the file that was published, stray.bin "
                               "was not published"),
                     HasSubstr("train or copy it anew"))));
}

TEST_F(ModelRegistryTest, ABrokenCardIsAnErrorThatNamesIt) {
  ASSERT_OK(Publish(1));
  const std::string card = registry_.Directory(1) + "/card.json";
  ASSERT_OK(WriteFileAtomically(card, "{\"version\": 1"));
  EXPECT_THAT(registry_.Verify(1),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(card)));
  ASSERT_OK(WriteFileAtomically(card, "{\"version\": 1}"));
  EXPECT_THAT(registry_.Get(1),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr(card), HasSubstr("\"digest\""))));
}

TEST_F(ModelRegistryTest, LatestIsTheHighestNumber) {
  EXPECT_EQ(registry_.Latest(), 0);
  ASSERT_OK(Publish(2));
  ASSERT_OK(Publish(11));
  ASSERT_OK(Publish(9));
  ASSERT_OK(registry_.SetAlias("candidate", 2, kCause));
  EXPECT_EQ(registry_.Latest(), 11);
  EXPECT_THAT(registry_.Versions(), ElementsAre(2, 9, 11));
}

TEST_F(ModelRegistryTest, AnAliasPointsNowhereUntilItIsSet) {
  EXPECT_EQ(Alias("serving"), std::nullopt);
  ASSERT_OK(Publish(1));
  ASSERT_OK(registry_.SetAlias("candidate", 1, kCause));
  EXPECT_EQ(Alias("candidate"), 1);
  EXPECT_EQ(Alias("serving"), std::nullopt);
  EXPECT_THAT(registry_.SetAlias("candidate", 2, kCause),
              StatusIs(StatusCode::kNotFound, HasSubstr("000002")));
  EXPECT_EQ(Alias("candidate"), 1);
}

TEST_F(ModelRegistryTest, PromotionRemembersWhatServed) {
  for (const int version : {1, 2, 3}) ASSERT_OK(Publish(version));
  ASSERT_OK(registry_.Promote(1, std::nullopt, kCause));
  EXPECT_EQ(Alias("serving"), 1);
  EXPECT_EQ(Alias("previous"), std::nullopt);
  ASSERT_OK(registry_.Promote(3, 1, kCause));
  EXPECT_EQ(Alias("serving"), 3);
  EXPECT_EQ(Alias("previous"), 1);
}

TEST_F(ModelRegistryTest, PromotingWhatServesKeepsThePreviousOne) {
  for (const int version : {1, 2}) ASSERT_OK(Publish(version));
  ASSERT_OK(registry_.Promote(1, std::nullopt, kCause));
  ASSERT_OK(registry_.Promote(2, 1, kCause));
  ASSERT_OK(registry_.Promote(2, 2, kCause));
  EXPECT_EQ(Alias("serving"), 2);
  EXPECT_EQ(Alias("previous"), 1);
}

TEST_F(ModelRegistryTest, RefusesAPromotionOnAnOldView) {
  for (const int version : {1, 2, 3}) ASSERT_OK(Publish(version));
  EXPECT_THAT(registry_.Promote(2, 1, kCause),
              StatusIs(StatusCode::kAborted,
                       HasSubstr("no version serves, expected version 1")));
  ASSERT_OK(registry_.Promote(1, std::nullopt, kCause));
  ASSERT_OK(registry_.Promote(2, 1, kCause));
  EXPECT_THAT(registry_.Promote(3, 1, kCause),
              StatusIs(StatusCode::kAborted,
                       HasSubstr("version 2 serves, expected version 1")));
  EXPECT_THAT(registry_.Promote(4, 2, kCause),
              StatusIs(StatusCode::kNotFound, HasSubstr("000004")));
  EXPECT_EQ(Alias("serving"), 2);
}

TEST_F(ModelRegistryTest, ARolledBackPromotionCanBeRolledForth) {
  for (const int version : {1, 2}) ASSERT_OK(Publish(version));
  EXPECT_THAT(registry_.RollBack(kCause),
              StatusIs(StatusCode::kFailedPrecondition,
                       HasSubstr("nothing to go back to")));
  ASSERT_OK(registry_.Promote(1, std::nullopt, kCause));
  EXPECT_THAT(
      registry_.RollBack(kCause),
      StatusIs(StatusCode::kFailedPrecondition, HasSubstr("version 1 serves")));
  ASSERT_OK(registry_.Promote(2, 1, kCause));

  EXPECT_THAT(registry_.RollBack({"ann", "it likes lists"}), IsOkAndHolds(1));
  EXPECT_EQ(Alias("serving"), 1);
  EXPECT_EQ(Alias("previous"), 2);
  EXPECT_THAT(registry_.RollBack(kCause), IsOkAndHolds(2));
  EXPECT_EQ(Alias("serving"), 2);

  ASSERT_OK_AND_ASSIGN(const std::vector<Transition> history,
                       registry_.Transitions());
  ASSERT_EQ(history.size(), 4u);
  EXPECT_EQ(history[2].cause.by, "ann");
  EXPECT_EQ(history[2].cause.reason, "it likes lists");
  EXPECT_EQ(history[2].aliases, (Aliases{{"serving", 1}, {"previous", 2}}));
}

TEST_F(ModelRegistryTest, WhatChangesNothingLeavesNoTransition) {
  ASSERT_OK(Publish(1));
  ASSERT_OK(registry_.Promote(1, std::nullopt, kCause));
  ASSERT_OK(registry_.Promote(1, 1, kCause));
  ASSERT_OK(registry_.SetAlias("serving", 1, kCause));
  ASSERT_OK_AND_ASSIGN(const auto history, registry_.Transitions());
  EXPECT_EQ(history.size(), 1u);
}

TEST_F(ModelRegistryTest, ADamagedTransitionIsAnErrorNotAnEmptyAnswer) {
  ASSERT_OK(Publish(1));
  for (const char* text :
       {"\n", "[1]\n", "{\"aliases\": {\"serving\": \"1\"}}\n",
        "{\"aliases\": 1\n"}) {
    ASSERT_OK(WriteFileAtomically(root_ + "/transitions.jsonl", text));
    EXPECT_THAT(registry_.Alias("serving"),
                StatusIs(StatusCode::kInvalidArgument,
                         HasSubstr(root_ + "/transitions.jsonl:1")))
        << text;
    EXPECT_THAT(registry_.Promote(1, std::nullopt, kCause), Not(IsOk()))
        << text;
  }
}

// Each round all threads want to promote on the same view; exactly one may.
TEST_F(ModelRegistryTest, ASecretStaysTheSameAndIsNoOtherRegistrys) {
  ASSERT_OK_AND_ASSIGN(const std::string secret, registry_.Secret("a"));
  EXPECT_THAT(registry_.Secret("a"), IsOkAndHolds(secret));
  EXPECT_THAT(registry_.Secret("b"), Not(IsOkAndHolds(secret)));
  const TempDir other;
  EXPECT_THAT(ModelRegistry(other.path()).Secret("a"),
              Not(IsOkAndHolds(secret)));
}

TEST_F(ModelRegistryTest, OneOfManyRacingPromotionsWins) {
  constexpr int kWriters = 4;
  constexpr int kRounds = 2;
  for (int v = 1; v <= kWriters * kRounds; ++v) ASSERT_OK(Publish(v));
  for (int round = 0; round < kRounds; ++round) {
    const std::optional<int64_t> serving = Alias("serving");
    std::atomic<int> won = 0;
    {
      std::vector<std::jthread> writers;
      for (int i = 0; i < kWriters; ++i) {
        writers.emplace_back([&, i] {
          const ModelRegistry other(root_);
          if (other.Promote(round * kWriters + i + 1, serving, kCause).ok())
            ++won;
        });
      }
    }
    EXPECT_EQ(won, 1);
    EXPECT_EQ(Alias("previous"), serving);
  }
}

// Writers of different aliases never undo one another, across processes.
TEST_F(ModelRegistryTest, ConcurrentProcessesLoseNoAlias) {
  ASSERT_OK(Publish(1));
  constexpr int kProcesses = 4;
  std::vector<pid_t> children;
  for (int p = 0; p < kProcesses; ++p) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool ok = true;
      for (int i = 0; i < 5; ++i) {
        ok = ok &&
             registry_.SetAlias(absl::StrCat("a", p, "_", i), 1, kCause).ok();
      }
      _exit(ok ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  for (int p = 0; p < kProcesses; ++p) {
    for (int i = 0; i < 5; ++i) {
      EXPECT_EQ(Alias(absl::StrCat("a", p, "_", i)), 1);
    }
  }
}

}  // namespace
}  // namespace rlhf
