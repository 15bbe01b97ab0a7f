#include "core/config/run_config.h"

#include <google/protobuf/util/message_differencer.h>

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using google::protobuf::util::MessageDifferencer;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr char kMinimal[] =
    "name: \"a\"\n"
    "initial_policy: \"models/m\"\n"
    "prompts: \"p.jsonl\"\n";

absl::StatusOr<v1::RunConfig> ParseMore(
    const std::string& more, const std::vector<std::string>& overrides = {}) {
  return ParseRunConfig(kMinimal + more, "run.txtpb", overrides);
}

// `more` starts on line 4.
void ExpectRefused(const std::string& more, const std::string& message) {
  EXPECT_THAT(ParseMore(more),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(ParseRunConfigTest, GivesDefaultsForWhatIsLeftOut) {
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig config,
                       ParseMore("ppo { num_updates: 3 } # comment\n"));
  EXPECT_EQ(config.ppo().num_updates(), 3);
  EXPECT_EQ(config.ppo().gae_lambda(), 0.95);
  EXPECT_EQ(config.learner().address(), "127.0.0.1:7101");
}

TEST(ParseRunConfigTest, SuggestsTheFieldThatWasMeant) {
  ExpectRefused("ppo {\n  learning_rat: 1e-5\n}\n",
                "run.txtpb:5:3: unknown field \"learning_rat\" in PpoConfig; "
                "did you mean \"learning_rate\"?");
}

TEST(ParseRunConfigTest, ReportsEveryUnknownFieldAtOnce) {
  EXPECT_THAT(ParseMore("sed: 1\nlerner { address: \"x\" }\nppo { bet: 1 }\n"),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("run.txtpb:4:1: unknown field \"sed\""),
                             HasSubstr("\nrun.txtpb:5:1: "),
                             HasSubstr("did you mean \"learner\"?"),
                             HasSubstr("\nrun.txtpb:6:7: "))));
}

TEST(ParseRunConfigTest, ShowsTheLineOfAWrongType) {
  EXPECT_THAT(
      ParseMore("ppo {\n  num_epochs: \"two\"\n}\n"),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("run.txtpb:5:"), HasSubstr("Expected integer"),
                     HasSubstr("in: num_epochs: \"two\""))));
  ExpectRefused("ppo { num_epochs: 1.5 }\n",
                "run.txtpb:4:19: Expected integer");
  ExpectRefused("ppo { whiten_advantages: 7 }\n", "run.txtpb:4:");
  ExpectRefused("runs_dir: 7\n", "run.txtpb:4:11: Expected string");
}

TEST(ParseRunConfigTest, PlacesSyntaxErrors) {
  ExpectRefused("ppo { num_epochs: 1\n", "run.txtpb:5:1: ");
  ExpectRefused("ppo }\n", "run.txtpb:4:5: ");
  ExpectRefused("runs_dir: \"unfinished\n", "run.txtpb:4:");
}

TEST(ParseRunConfigTest, RefusesAFieldGivenTwice) {
  ExpectRefused("seed: 1\nseed: 2\n", "\"seed\" is specified multiple times");
}

TEST(ParseRunConfigTest, ReportsEveryValueOutOfRangeWithItsPlace) {
  EXPECT_THAT(
      ParseMore("ppo {\n  discount: 2\n  kl_coefficient: -1\n}\n"),
      StatusIs(
          StatusCode::kInvalidArgument,
          "run.txtpb:6:3: ppo.kl_coefficient is -1; wanted at least 0 and at "
          "most 10\n"
          "run.txtpb:5:3: ppo.discount is 2; wanted at least 0 and at most 1"));
}

TEST(ParseRunConfigTest, SaysWhatMustBeGiven) {
  EXPECT_THAT(
      ParseRunConfig("crowd {\n workers { accuracy: 1 }\n}\n", "run.txtpb", {}),
      StatusIs(StatusCode::kInvalidArgument,
               "run.txtpb: name must be given\n"
               "run.txtpb: initial_policy must be given\n"
               "run.txtpb: prompts must be given\n"
               "run.txtpb:2:2: crowd.workers[0].worker_id must be "
               "given"));
}

TEST(ParseRunConfigTest, RefusesAddressesOfOtherHosts) {
  ExpectRefused("reward_server { address: \"10.0.0.1:7103\" }\n",
                "run.txtpb:4:17: reward_server.address \"10.0.0.1:7103\" is "
                "not a loopback address");
}

TEST(ParseRunConfigTest, RefusesANameThatIsNoFolder) {
  for (const char* name : {"../up", "a/b", "a b", ".."}) {
    EXPECT_THAT(
        ParseMore("", {absl::StrCat("name=", name)}),
        StatusIs(StatusCode::kInvalidArgument, HasSubstr("it names a folder")))
        << name;
  }
}

TEST(ParseRunConfigTest, RefusesValuesThatContradictEachOther) {
  ExpectRefused("ppo { rollouts_per_update: 4 num_minibatches: 8 }\n",
                "run.txtpb:4:30: ppo.num_minibatches is 8; wanted at most the "
                "4 of ppo.rollouts_per_update");
  ExpectRefused("preference { refresh_at: [64, 64] }\n",
                "preference.refresh_at[1] is 64; wanted more than the 64 "
                "before it");
  ExpectRefused(
      "crowd {\n workers { worker_id: \"w\" }\n workers { worker_id: \"w\" }\n"
      "}\n",
      "run.txtpb:6:12: crowd.workers[1].worker_id is \"w\", as is another "
      "worker's");
}

TEST(ParseRunConfigTest, LaterOverridesWin) {
  ASSERT_OK_AND_ASSIGN(
      const v1::RunConfig config,
      ParseMore("learner { checkpoint_every: 2 }\n",
                {"learner.checkpoint_every=3", "learner.checkpoint_every=4",
                 "preference.refresh_at=64,160"}));
  EXPECT_EQ(config.learner().checkpoint_every(), 4);
  EXPECT_THAT(config.preference().refresh_at(), ElementsAre(64, 160));
}

TEST(ParseRunConfigTest, AnOverrideMayMendTheFile) {
  EXPECT_OK(ParseMore("ppo { discount: 2 }\n", {"ppo.discount=1"}));
}

TEST(ParseRunConfigTest, BlamesTheOverrideNotTheFile) {
  EXPECT_THAT(ParseMore("ppo { discount: 1 }\n", {"ppo.discount=2"}),
              StatusIs(StatusCode::kInvalidArgument,
                       "--set ppo.discount=2: ppo.discount is 2; wanted at "
                       "least 0 and at most 1"));
  EXPECT_THAT(ParseMore("preference { refresh_at: [1, 2] }\n",
                        {"preference.refresh_at=9,8"}),
              StatusIs(StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("--set preference.refresh_at=9,8: "),
                             Not(HasSubstr("run.txtpb")))));
}

TEST(ParseRunConfigTest, ReportsEveryBadOverrideAtOnce) {
  EXPECT_THAT(
      ParseMore("", {"sed=1", "seed=1", "ppo.num_epochs=x"}),
      StatusIs(StatusCode::kInvalidArgument,
               AllOf(HasSubstr("--set sed=1: unknown field \"sed\""),
                     HasSubstr("\n--set ppo.num_epochs=x: Expected integer"))));
}

TEST(LoadRunConfigTest, ReadsAFileAndNamesItInErrors) {
  const TempDir folder;
  ASSERT_OK(WriteFileAtomically(folder / "run.txtpb", kMinimal));
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig config,
                       LoadRunConfig(folder / "run.txtpb", {}));
  EXPECT_EQ(config.initial_policy(), "models/m");

  ASSERT_OK(WriteFileAtomically(folder / "bad.txtpb", "nam: \"a\"\n"));
  EXPECT_THAT(LoadRunConfig(folder / "bad.txtpb", {}),
              StatusIs(StatusCode::kInvalidArgument,
                       HasSubstr(folder / "bad.txtpb:1:1: ")));
  EXPECT_THAT(
      LoadRunConfig(folder / "absent.txtpb", {}),
      StatusIs(StatusCode::kNotFound, HasSubstr(folder / "absent.txtpb")));
}

TEST(ResolvedTextTest, ShowsDefaultsAndReadsBackTheSame) {
  ASSERT_OK_AND_ASSIGN(
      const v1::RunConfig config,
      ParseMore("seed: 5 crowd { workers { worker_id: \"ann\" } }\n"));

  const std::string text = ResolvedText(config);

  EXPECT_THAT(text,
              AllOf(HasSubstr("seed: 5"), HasSubstr("gae_lambda: 0.95"),
                    HasSubstr("temperature: 1"), HasSubstr("left_bias: 0"),
                    HasSubstr("num_prompts: 100")));
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig again,
                       ParseRunConfig(text, "resolved.txtpb", {}));
  EXPECT_TRUE(MessageDifferencer::Equivalent(config, again) ||
              DiffConfigs(config, again).empty());
  EXPECT_EQ(ResolvedText(again), text);
}

TEST(DiffConfigsTest, ListsChangesOnly) {
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig a, ParseMore(""));
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig b,
                       ParseMore("", {"seed=1", "ppo.num_updates=30"}));
  EXPECT_THAT(DiffConfigs(a, b), ElementsAre("ppo.num_updates: 24 -> 30"));
}

TEST(RunDirectoryTest, IsTheNameUnderRunsDir) {
  ASSERT_OK_AND_ASSIGN(const v1::RunConfig config, ParseMore(""));
  EXPECT_EQ(RunDirectory(config), "runs/a");
}

TEST(RunConfigTest, GroupsMustFitTheAlgorithmAndTheBatch) {
  ExpectRefused("ppo { algorithm: RLOO }\n",
                "ppo.samples_per_prompt is 1; RLOO compares responses to one "
                "prompt: wanted at least 2");
  ExpectRefused("ppo { rollouts_per_update: 16 samples_per_prompt: 3 }\n",
                "ppo.samples_per_prompt is 3; wanted a divisor of the 16");
  ExpectRefused("ppo { dual_clip: 0.5 }\n",
                "ppo.dual_clip is 0.5; wanted 0 or above 1");
  ExpectRefused("ppo { algorithm: PPG }\n", "PPG");
}

TEST(RunConfigTest, ACriticOfItsOwnMustFitTheAlgorithm) {
  ExpectRefused(
      "ppo { algorithm: RLOO samples_per_prompt: 4 critic: SEPARATE }\n",
      "ppo.critic is SEPARATE; RLOO has no critic: wanted ppo.algorithm PPO");
  ExpectRefused("ppo { critic_model: \"pm\" }\n",
                "ppo.critic_model is \"pm\"; only a critic of its own starts "
                "from a model: wanted ppo.critic SEPARATE");
}

TEST(ParseRunConfigTest, SaysWhatASwapAndTheSentinelNeed) {
  const std::string head = "name: 'x' initial_policy: 'm' prompts: 'p' ";
  const auto message = [&](const std::string& rest) {
    return std::string(
        ParseRunConfig(head + rest, "run.txtpb", {}).status().message());
  };
  EXPECT_THAT(message("ppo { on_swap { critic_only: true } }"),
              HasSubstr("ppo.on_swap.critic_only needs a critic of its own"));
  EXPECT_THAT(message("ppo { critic: SEPARATE algorithm: RLOO "
                      "samples_per_prompt: 2 on_swap { critic_only: true } }"),
              HasSubstr("ppo.on_swap.critic_only needs a critic of its own"));
  EXPECT_THAT(message("ppo { on_swap { restart_policy: true } } "
                      "preference { gate { canary_updates: 1 } }"),
              HasSubstr("wanted no ppo.on_swap"));
  EXPECT_THAT(message("ppo { sentinel { window: 8 } }"),
              HasSubstr("ppo.sentinel.window needs a PM that only watches"));
  EXPECT_THAT(message("preference { objectives { name: 'test' } }"),
              HasSubstr("which is the test PM's name"));
  EXPECT_THAT(message("preference { objectives { name: 'a' } "
                      "objectives { name: 'a' } }"),
              HasSubstr("preference.objectives[1].name makes a PM member "
                        "\"a\", as another"));
  EXPECT_THAT(message("preference { ensemble_size: 2 objectives { name: 'a' } "
                      "objectives { name: 'a-2' } }"),
              HasSubstr("makes a PM member \"a-2\", as another"));
  EXPECT_THAT(message("ppo { max_staleness: 1 "
                      "on_swap { restart_policy: true } }"),
              HasSubstr("wanted ppo.max_staleness 0"));
  EXPECT_THAT(message("preference { gate { canary_updates: 1 } }"),
              HasSubstr("wanted learner.on_divergence SKIP or ROLL_BACK"));
  EXPECT_THAT(message("preference { objectives { name: '../a' } }"),
              HasSubstr("it names a folder"));
  EXPECT_THAT(
      message("actor { max_cache_tokens: 1000 }"),
      HasSubstr("actor.max_cache_tokens is 1000; wanted at least 1152"));
  EXPECT_THAT(message("actor { on_new_policy: RECOMPUTE }"),
              HasSubstr("wanted ppo.max_staleness and "
                        "ppo.behaviour_weight_cap above 0"));
  EXPECT_THAT(message("ppo { max_staleness: 1 behaviour_weight_cap: 0 } "
                      "actor { on_new_policy: KEEP_CACHE }"),
              HasSubstr("only decoupled PPO can weigh"));
  EXPECT_THAT(message("feedback { gold_share: 0.1 }"),
              HasSubstr("wanted a file of questions in "
                        "feedback.gold_questions"));
  EXPECT_THAT(message("feedback { worker_test { bad_accuracy: 0.9 } }"),
              HasSubstr("feedback.worker_test.bad_accuracy is 0.9; wanted at "
                        "least 0.05 below"));
}

TEST(ParseRunConfigTest, NobodyIsLetInFromOutsideWithoutALogin) {
  const std::string head = "name: 'x' initial_policy: 'm' prompts: 'p' ";
  const auto parse = [&](const std::string& rest) {
    return ParseRunConfig(head + rest, "run.txtpb", {});
  };
  EXPECT_THAT(
      parse("feedback { access { public_origin: 'https://a.example' } }"),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("public_origin would let anybody in")));
  EXPECT_OK(
      parse("feedback { access { require_login: true "
            "public_origin: 'https://a.example' } }"));
  EXPECT_THAT(parse("feedback { access { require_login: true } } "
                    "crowd { workers { worker_id: 'a' } }"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("crowd.workers are simulated")));
}

TEST(CheckRunConfigTest, AValueThatWasPutInLaterIsCheckedToo) {
  v1::RunConfig config;
  config.set_name("a");
  config.set_initial_policy("m");
  config.set_prompts("p.jsonl");
  EXPECT_OK(CheckRunConfig(config));
  config.mutable_ppo()->set_kl_coefficient(-1);
  config.mutable_ppo()->set_num_minibatches(20);
  EXPECT_THAT(CheckRunConfig(config),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       AllOf(HasSubstr("ppo.kl_coefficient is -1; wanted at "
                                       "least 0 and at most 10\n"),
                             HasSubstr("ppo.num_minibatches is 20"))));
}

}  // namespace
}  // namespace rlhf
