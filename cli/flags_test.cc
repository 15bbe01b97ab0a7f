#include "cli/flags.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using Kind = FlagSpec::Kind;

const std::vector<FlagSpec> kSpecs = {
    {"model", Kind::kString, "", "a directory"},
    {"seed", Kind::kInt, "1", "a number"},
    {"temperature", Kind::kDouble, "0.5", "a number"},
    {"json", Kind::kBool, "false", "a switch"},
    {"set", Kind::kRepeated, "", "an override"},
};

absl::StatusOr<Flags> Parse(const std::vector<std::string>& args) {
  return Flags::Parse(kSpecs, args);
}

void ExpectRefused(const std::vector<std::string>& args,
                   const std::string& message) {
  EXPECT_THAT(Parse(args),
              StatusIs(StatusCode::kInvalidArgument, HasSubstr(message)));
}

TEST(FlagsTest, HaveTheirDefaults) {
  ASSERT_OK_AND_ASSIGN(const Flags flags, Parse({}));
  EXPECT_EQ(flags.String("model"), "");
  EXPECT_EQ(flags.Int("seed"), 1);
  EXPECT_EQ(flags.Double("temperature"), 0.5);
  EXPECT_FALSE(flags.Bool("json"));
  EXPECT_THAT(flags.Repeated("set"), IsEmpty());
  EXPECT_THAT(flags.positional(), IsEmpty());
}

TEST(FlagsTest, TakeValuesWithASpaceOrAnEqualsSign) {
  ASSERT_OK_AND_ASSIGN(const Flags flags, Parse({"--model", "a=b", "--seed=-7",
                                                 "--temperature", "1e-3"}));
  EXPECT_EQ(flags.String("model"), "a=b");
  EXPECT_EQ(flags.Int("seed"), -7);
  EXPECT_EQ(flags.Double("temperature"), 1e-3);
}

TEST(FlagsTest, ABoolNeedsNoValue) {
  ASSERT_OK_AND_ASSIGN(const Flags on, Parse({"--json", "x"}));
  EXPECT_TRUE(on.Bool("json"));
  EXPECT_THAT(on.positional(), ElementsAre("x"));
  ASSERT_OK_AND_ASSIGN(const Flags off, Parse({"--json=false"}));
  EXPECT_FALSE(off.Bool("json"));
}

TEST(FlagsTest, RepeatedOnesAddUpAndOthersAreReplaced) {
  ASSERT_OK_AND_ASSIGN(const Flags flags, Parse({"--set", "a=1", "--seed=2",
                                                 "--set=b=2", "--seed=3"}));
  EXPECT_THAT(flags.Repeated("set"), ElementsAre("a=1", "b=2"));
  EXPECT_EQ(flags.Int("seed"), 3);
}

TEST(FlagsTest, KeepPositionalArgumentsInOrder) {
  ASSERT_OK_AND_ASSIGN(const Flags flags,
                       Parse({"diff", "--seed", "4", "a", "-"}));
  EXPECT_THAT(flags.positional(), ElementsAre("diff", "a", "-"));
}

TEST(FlagsTest, AnUnknownFlagGetsASuggestion) {
  ExpectRefused({"--modle", "x"},
                "unknown flag --modle; did you mean --model?");
  ExpectRefused({"--temprature=1"}, "did you mean --temperature?");
  ExpectRefused({"--quickly"},
                "unknown flag --quickly; --help lists the flags");
}

TEST(FlagsTest, AMissingValueIsNotTheNextFlag) {
  ExpectRefused({"--model"}, "--model needs a value");
  ExpectRefused({"--model", "--json"}, "--model needs a value");
}

TEST(FlagsTest, AValueOfTheWrongKindIsRefused) {
  ExpectRefused({"--seed", "one"}, "--seed=one: wanted a whole number");
  ExpectRefused({"--seed=1.5"}, "--seed=1.5: wanted a whole number");
  ExpectRefused({"--seed="}, "--seed=: wanted a whole number");
  ExpectRefused({"--temperature=hot"}, "--temperature=hot: wanted a number");
  ExpectRefused({"--json=perhaps"}, "--json=perhaps: wanted true or false");
}

TEST(FlagsDeathTest, AskingForAnUndeclaredFlagIsADefect) {
  ASSERT_OK_AND_ASSIGN(const Flags flags, Parse({}));
  EXPECT_DEATH(flags.String("modle"), "modle was not declared");
}

TEST(FlagsTest, ANumberOutOfItsRangeIsRefused) {
  const std::vector<FlagSpec> specs = {
      {"batch", FlagSpec::Kind::kInt, "32", "", 1, 4096},
      {"temperature", FlagSpec::Kind::kDouble, "1", "", 0, 10},
      {"seed", FlagSpec::Kind::kInt, "1", "", 0}};
  EXPECT_OK(Flags::Parse(specs, {"--batch=4096", "--temperature=0"}));
  for (const auto& [arg, message] :
       std::vector<std::pair<std::string, std::string>>{
           {"--batch=0", "--batch=0: wanted 1 to 4096"},
           {"--temperature=-1", "--temperature=-1: wanted 0 to 10"},
           {"--temperature=nan", "--temperature=nan: wanted 0 to 10"},
           {"--seed=-1", "--seed=-1: wanted at least 0"}}) {
    EXPECT_THAT(Flags::Parse(specs, {arg}),
                StatusIs(absl::StatusCode::kInvalidArgument,
                         testing::HasSubstr(message)));
  }
}

}  // namespace
}  // namespace rlhf
