// `rlhf pm train` on several processes.
#include <ATen/TensorOperators.h>
#include <signal.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/launch/exit_codes.h"
#include "core/nn/model_directory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/integration/loop_fixture.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::HasSubstr;
using testing::Not;

class PmTrainRanksTest : public LoopTest {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(LoopTest::SetUp());
    WritePairs("pairs.jsonl", 60);
  }

  void WritePairs(const std::string& name, int count) {
    std::string lines;
    for (int i = 0; i < count; ++i) {
      absl::StrAppend(&lines, "{\"prompt\": \"make tea ", i,
                      "\", \"chosen\": \"yes", std::string(i % 7, '.'),
                      "\", \"rejected\": \"no ", i, "\"}\n");
    }
    ASSERT_OK(WriteFileAtomically(folder_ / name, lines));
  }

  // The words of a training on `pairs` that makes `out`.
  std::vector<std::string> TrainingOf(const std::string& out,
                                      const std::string& pairs,
                                      int epochs = 1) const {
    return {"pm",
            "train",
            folder_ / pairs,
            "--model",
            config_.initial_policy(),
            "--out",
            folder_ / out,
            "--threads",
            "1",
            "--seed",
            "3",
            "--epochs",
            absl::StrCat(epochs),
            "--batch-size",
            "8",
            "--learning-rate",
            "1e-4"};
  }

  // Starts it as rank `rank` of two, which writes into LogOf(out, rank).
  pid_t StartRank(int rank, int port, const std::string& out,
                  const std::string& pairs, int epochs = 1) {
    return StartProgram(
        {"sh", "-c",
         absl::StrCat("exec ", binary_, " ",
                      absl::StrJoin(TrainingOf(out, pairs, epochs), " "), " > ",
                      LogOf(out, rank), " 2>&1")},
        {absl::StrCat("RANK=", rank), "WORLD_SIZE=2", "MASTER_ADDR=127.0.0.1",
         absl::StrCat("MASTER_PORT=", port)});
  }
  std::string LogOf(const std::string& out, int rank) const {
    return folder_ / absl::StrCat(out, ".", rank, ".txt");
  }
  std::string Log(const std::string& out, int rank) const {
    return ReadFile(LogOf(out, rank)).value_or("");
  }

  bool IsAnythingLeftOf(const std::string& out) const {
    const std::vector<std::string> names = ListDirectory(folder_.path());
    return FileExists(folder_ / out) ||
           std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) {
                         return absl::StartsWith(name, out + ".tmp.");
                       });
  }

  double LargestDifference(const std::string& a, const std::string& b) const {
    const auto of_a = LoadModel(folder_ / a), of_b = LoadModel(folder_ / b);
    EXPECT_OK(of_a);
    EXPECT_OK(of_b);
    if (!of_a.ok() || !of_b.ok()) return -1;
    double largest = 0;
    for (size_t i = 0; i < of_a->parameters().size(); ++i) {
      const at::Tensor difference =
          of_a->parameters()[i].tensor - of_b->parameters()[i].tensor;
      largest = std::max(largest, difference.abs().max().item<double>());
    }
    return largest;
  }
};

TEST_F(PmTrainRanksTest, ThreeStartedByOneMakeTheModelOfOne) {
  ASSERT_EQ(Wait(Start(TrainingOf("one", "pairs.jsonl", 2))), 0);
  // In a folder that is not there yet.
  std::vector<std::string> words = TrainingOf("new/three", "pairs.jsonl", 2);
  words.insert(words.end(), {"--ranks", "3"});
  ASSERT_EQ(Wait(Start(words)), 0);
  EXPECT_LT(LargestDifference("one", "new/three"), 1e-5);
  ASSERT_OK_AND_ASSIGN(const std::string text,
                       ReadFile(folder_ / "new/three/card.json"));
  ASSERT_OK_AND_ASSIGN(const Json card, ParseJson(text));
  EXPECT_EQ(card["ranks"], 3);
  EXPECT_FALSE(FileExists(folder_ / "new/three.rank-1.log"));
}

TEST_F(PmTrainRanksTest, RanksOfALauncherTrainTogetherAndTheFirstWrites) {
  ASSERT_EQ(Wait(Start(TrainingOf("one", "pairs.jsonl"))), 0);
  const int port = FreePorts(1)[0];
  const pid_t zero = StartRank(0, port, "two", "pairs.jsonl");
  const pid_t other = StartRank(1, port, "two", "pairs.jsonl");
  EXPECT_EQ(Wait(zero), 0) << Log("two", 0);
  EXPECT_EQ(Wait(other), 0) << Log("two", 1);
  EXPECT_LT(LargestDifference("one", "two"), 1e-5);
  EXPECT_THAT(Log("two", 0), HasSubstr("trained on"));
  EXPECT_THAT(Log("two", 1), Not(HasSubstr("trained on")));
}

TEST_F(PmTrainRanksTest, ADeadRankIsNamedAndNothingIsWritten) {
  for (int dead = 0; dead < 2; ++dead) {
    SCOPED_TRACE(dead);
    const std::string out = absl::StrCat("dead", dead);
    const int port = FreePorts(1)[0];
    const pid_t ranks[] = {StartRank(0, port, out, "pairs.jsonl", 100),
                           StartRank(1, port, out, "pairs.jsonl", 100)};
    ASSERT_TRUE(WaitUntil(absl::Seconds(30), [&] {
      return absl::StrContains(Log(out, 0), "training  10 %");
    })) << Log(out, 0);
    ::kill(ranks[dead], SIGKILL);
    EXPECT_EQ(Wait(ranks[1 - dead]), kAnotherRankFailed);
    EXPECT_EQ(Wait(ranks[dead]), -SIGKILL);
    EXPECT_THAT(Log(out, 1 - dead),
                HasSubstr(absl::StrCat("rlhf pm: rank ", dead, " died")));
    EXPECT_FALSE(IsAnythingLeftOf(out));
  }
}

TEST_F(PmTrainRanksTest, RanksThatWereGivenOtherFilesDoNotBegin) {
  WritePairs("fewer.jsonl", 50);
  const int port = FreePorts(1)[0];
  const pid_t zero = StartRank(0, port, "differ", "pairs.jsonl");
  const pid_t other = StartRank(1, port, "differ", "fewer.jsonl");
  // Whoever sees it first ends the other, which may have told nothing yet.
  EXPECT_NE(Wait(zero), 0);
  EXPECT_NE(Wait(other), 0);
  EXPECT_THAT(Log("differ", 0) + Log("differ", 1),
              HasSubstr("the ranks do not start from the same: rank 1 of 2 "
                        "holds another \"comparisons and options\""));
  EXPECT_FALSE(IsAnythingLeftOf("differ"));
}

TEST_F(PmTrainRanksTest, AMistakeOfTheCallerIsToldAtOnce) {
  std::vector<std::string> words = TrainingOf("none", "none.jsonl");
  words.insert(words.end(), {"--ranks", "2"});
  EXPECT_EQ(Wait(Start(words)), kCallersMistake);
  EXPECT_FALSE(IsAnythingLeftOf("none"));
  EXPECT_FALSE(FileExists(folder_ / "none.rank-1.log"))
      << "no other rank was started";
}

}  // namespace
}  // namespace rlhf
