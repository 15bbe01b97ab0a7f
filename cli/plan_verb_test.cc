#include "cli/verb_fixtures.h"
#include "cli/verbs.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class PlanVerbTest : public testing::Test {
 protected:
  // `rlhf plan CONFIG ARGS` at given rates; what it prints is in out_.
  absl::Status Plan(std::vector<std::string> args) {
    const std::string path = folder_ / "a.txtpb";
    EXPECT_OK(WriteFileAtomically(path,
                                  "name: \"a\"\ninitial_policy: \"none\"\n"
                                  "prompts: \"p.jsonl\"\n"));
    args.insert(args.begin(), path);
    args.insert(args.end(), {"--gemm-gflops", "100000", "--link-gbps", "50"});
    const auto flags = Flags::Parse(FlagsOf("plan"), args);
    EXPECT_OK(flags);
    testing::internal::CaptureStdout();
    const absl::Status status = PlanVerb(*flags);
    out_ = testing::internal::GetCapturedStdout();
    return status;
  }

  const TempDir folder_;
  std::string out_;
};

TEST_F(PlanVerbTest, PlansAModelThatIsNotHereOnRanksThatAreNotHere) {
  ASSERT_OK(Plan({"--ranks", "1024", "--shape", "70B", "--json"}));
  ASSERT_OK_AND_ASSIGN(const Json plan, ParseJson(out_));
  EXPECT_EQ(plan["ranks"], 1024);
  EXPECT_EQ(plan["parameters"], 68'976'648'192);
  EXPECT_EQ(plan["gemm_measured"], false);
  const Json &whole = plan["plans"][0], &shares = plan["plans"][1];
  EXPECT_EQ(whole["sharding"], "REPLICATED");
  EXPECT_EQ(shares["sharding"], "SHARDED");
  EXPECT_LT(shares["memory_bytes"]["optimizer"].get<double>(),
            whole["memory_bytes"]["optimizer"].get<double>() / 1000);
  EXPECT_GT(shares["compute_seconds"].get<double>(), 0);
}

TEST_F(PlanVerbTest, AdaptersArePlannedBesideWholeWeights) {
  ASSERT_OK(Plan({"--ranks", "8", "--shape", "7B", "--json", "--set",
                  "learner.lora.rank=16"}));
  ASSERT_OK_AND_ASSIGN(const Json plan, ParseJson(out_));
  const Json &adapters = plan["plans"][0], &whole = plan["plans"][1];
  EXPECT_EQ(adapters["sharding"], "LORA");
  EXPECT_EQ(whole["sharding"], "REPLICATED");
  // Rank 16 on all matrices of Llama 2 7B: 40 million weights.
  EXPECT_NEAR(adapters["memory_bytes"]["optimizer"].get<double>() / 8, 40e6,
              1e6);
  EXPECT_LT(adapters["memory_bytes"]["total"].get<double>(),
            whole["memory_bytes"]["total"].get<double>() * 0.6);
}

TEST_F(PlanVerbTest, ATableSaysWhereItsRatesAreFrom) {
  ASSERT_OK(Plan({"--ranks", "8", "--shape", "7B"}));
  EXPECT_THAT(out_, AllOf(HasSubstr("on 8 ranks"), HasSubstr("AdamW moments"),
                          HasSubstr("50.00 GB/s (given)"),
                          HasSubstr("reduce-scatter of gradients")));
}

TEST_F(PlanVerbTest, RefusesWhatItDoesNotKnow) {
  EXPECT_THAT(Plan({"--shape", "8B"}),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("135M, 360M")));
  EXPECT_THAT(Plan({"--ranks", "2000", "--shape", "7B"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("wanted 1 to 1024")));
  // Without a shape the run's own model is read.
  EXPECT_THAT(Plan({}), StatusIs(absl::StatusCode::kNotFound,
                                 HasSubstr("no such model")));
}

}  // namespace
}  // namespace rlhf
