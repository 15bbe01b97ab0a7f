#include "core/config/field_checks.h"

#include <limits>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {
namespace {

using google::protobuf::TextFormat;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Pair;
using testing::UnorderedElementsAre;

auto Problem(const std::string& path, const std::string& message) {
  return AllOf(Field(&FieldProblem::path, path),
               Field(&FieldProblem::message, message));
}

TEST(CheckFieldsTest, DefaultsAreInRange) {
  EXPECT_THAT(CheckFields(v1::PpoConfig(), false), IsEmpty());
  EXPECT_THAT(CheckFields(v1::LearnerConfig(), false), IsEmpty());
  EXPECT_THAT(CheckFields(v1::ActorConfig(), false), IsEmpty());
  EXPECT_THAT(CheckFields(v1::RewardServerConfig(), false), IsEmpty());
  EXPECT_THAT(CheckFields(v1::PreferenceConfig(), false), IsEmpty());
  EXPECT_THAT(CheckFields(v1::FeedbackConfig(), false), IsEmpty());
}

TEST(CheckFieldsTest, NamesEveryRequiredFieldThatIsMissing) {
  EXPECT_THAT(CheckFields(v1::RunConfig(), false),
              ElementsAre(Problem("name", "must be given"),
                          Problem("initial_policy", "must be given"),
                          Problem("prompts", "must be given")));
}

TEST(CheckFieldsTest, BoundsAreInsideUnlessExclusive) {
  v1::SamplingConfig sampling;
  sampling.set_temperature(10);
  sampling.set_max_new_tokens(8192);
  EXPECT_THAT(CheckFields(sampling, false), IsEmpty());
  sampling.set_temperature(0);
  sampling.set_max_new_tokens(8193);
  EXPECT_THAT(
      CheckFields(sampling, false),
      ElementsAre(
          Problem("max_new_tokens",
                  "is 8193; wanted at least 1 and at most 8192"),
          Problem("temperature", "is 0; wanted above 0 and at most 10")));
}

TEST(CheckFieldsTest, BigBoundsAreWrittenInFull) {
  v1::SamplingConfig sampling;
  sampling.set_max_prompt_tokens(1234567);
  EXPECT_THAT(CheckFields(sampling, false),
              ElementsAre(Problem("max_prompt_tokens",
                                  "is 1234567; wanted at least 1 and at most "
                                  "131072")));
}

TEST(CheckFieldsTest, NothingBeyondTheNumbersPasses) {
  v1::PpoConfig ppo;
  ppo.set_kl_coefficient(std::numeric_limits<double>::quiet_NaN());
  ppo.set_max_gradient_norm(std::numeric_limits<double>::infinity());
  EXPECT_THAT(
      CheckFields(ppo, false),
      ElementsAre(
          Problem("kl_coefficient", "is nan; wanted at least 0 and at most 10"),
          Problem("max_gradient_norm", "is inf; wanted above 0")));
}

TEST(CheckFieldsTest, NamesElementsOfLists) {
  v1::PreferenceConfig preference;
  preference.add_refresh_at(64);
  preference.add_refresh_at(0);
  EXPECT_THAT(CheckFields(preference, false),
              ElementsAre(Problem("refresh_at[1]", "is 0; wanted at least 1")));

  v1::CrowdConfig crowd;
  crowd.add_workers()->set_worker_id("ann");
  crowd.add_workers()->set_accuracy(1.5);
  EXPECT_THAT(CheckFields(crowd, false),
              ElementsAre(Problem("workers[1].worker_id", "must be given"),
                          Problem("workers[1].accuracy",
                                  "is 1.5; wanted at least 0 and at most 1")));
}

TEST(CheckFieldsTest, RefusesAnAddressThatLeavesTheMachine) {
  v1::ActorConfig actor;
  actor.set_address("0.0.0.0:7102");
  EXPECT_THAT(
      CheckFields(actor, false),
      ElementsAre(Problem("address",
                          "\"0.0.0.0:7102\" is not a loopback address: "
                          "other hosts are reached over TLS only; give the run "
                          "certificates (tls, docs/security.md) or use "
                          "127.0.0.1")));
  EXPECT_THAT(CheckFields(actor, /*has_tls=*/true), IsEmpty());
}

TEST(CheckFieldsTest, TakesSeveralAddressesWhereReplicasMayBe) {
  v1::RewardServerConfig server;
  server.set_address("127.0.0.1:7103,127.0.0.1:7113");
  EXPECT_THAT(CheckFields(server, false), testing::IsEmpty());
  server.set_address("127.0.0.1:7103,127.0.0.1:7103");
  EXPECT_THAT(CheckFields(server, false),
              ElementsAre(Problem("address",
                                  "\"127.0.0.1:7103\" stands twice in "
                                  "\"127.0.0.1:7103,127.0.0.1:7103\"; wanted "
                                  "each replica once")));
}

TEST(FieldPlacesTest, CountsLinesAndColumnsFromOne) {
  const std::string text =
      "seed: 3\n"
      "crowd {\n"
      "  workers { accuracy: 1 }\n"
      "}\n"
      "preference { refresh_at: [4, 5] }\n";
  v1::RunConfig config;
  TextFormat::ParseInfoTree tree;
  TextFormat::Parser parser;
  parser.WriteLocationsTo(&tree);
  ASSERT_TRUE(parser.ParseFromString(text, &config));

  const auto places = FieldPlaces(config, tree);

  EXPECT_THAT(
      places,
      UnorderedElementsAre(
          Pair("seed", "1:1"), Pair("crowd", "2:1"),
          Pair("crowd.workers[0]", "3:3"),
          Pair("crowd.workers[0].accuracy", "3:13"), Pair("preference", "5:1"),
          Pair("preference.refresh_at[0]", testing::StartsWith("5:")),
          Pair("preference.refresh_at[1]", testing::StartsWith("5:"))));
}

TEST(CompareFieldsTest, ShowsWhatDiffersDefaultsIncluded) {
  v1::RunConfig a, b;
  b.mutable_ppo()->set_num_epochs(1);  // the default
  EXPECT_THAT(CompareFields(a, b), IsEmpty());

  a.set_name("x");
  b.set_name("x");
  b.mutable_ppo()->set_learning_rate(2e-6);
  a.mutable_preference()->add_refresh_at(64);
  a.mutable_preference()->add_refresh_at(128);
  b.mutable_preference()->add_refresh_at(65);
  b.mutable_crowd()->add_workers()->set_worker_id("ann");
  EXPECT_THAT(
      CompareFields(a, b),
      UnorderedElementsAre("ppo.learning_rate: 1e-06 -> 2e-06",
                           "preference.refresh_at[0]: 64 -> 65",
                           "preference.refresh_at[1]: 128 -> absent",
                           "crowd.workers[0].worker_id: absent -> \"ann\"",
                           "crowd.workers[0].accuracy: absent -> 0.8",
                           "crowd.workers[0].seconds_per_task: absent -> 1",
                           "crowd.workers[0].left_bias: absent -> 0"));
}

TEST(UnknownFieldTest, SuggestsTheNearestOrListsAll) {
  EXPECT_EQ(UnknownField(*v1::SamplingConfig::descriptor(), "temprature"),
            "unknown field \"temprature\" in SamplingConfig; did you mean "
            "\"temperature\"?");
  EXPECT_EQ(UnknownField(*v1::SamplingConfig::descriptor(), "top_p"),
            "unknown field \"top_p\" in SamplingConfig; its fields are "
            "max_new_tokens, temperature, max_prompt_tokens");
}

}  // namespace
}  // namespace rlhf
