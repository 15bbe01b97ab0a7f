#include "feedback/batch/number_formats.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(NumberFormatsTest, LuhnKnowsTheTestNumbersOfCardSchemes) {
  EXPECT_TRUE(IsLuhnValid("4111111111111111"));
  EXPECT_TRUE(IsLuhnValid("378282246310005"));
  EXPECT_FALSE(IsLuhnValid("4111111111111112"));
  EXPECT_FALSE(IsLuhnValid(""));
}

TEST(NumberFormatsTest, IbanChecksumKnowsTheRegistrysExamples) {
  EXPECT_TRUE(IsIbanChecksumValid("DE89370400440532013000"));
  EXPECT_TRUE(IsIbanChecksumValid("GB29NWBK60161331926819"));
  EXPECT_FALSE(IsIbanChecksumValid("DE89370400440532013001"));
  EXPECT_FALSE(IsIbanChecksumValid("DE89"));
}

TEST(NumberFormatsTest, LengthsAreByCountry) {
  EXPECT_EQ(IbanLength("DE"), 22u);
  EXPECT_EQ(IbanLength("NO"), 15u);
  EXPECT_EQ(IbanLength("US"), 0u);
}

}  // namespace
}  // namespace rlhf
