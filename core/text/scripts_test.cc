#include "core/text/scripts.h"

#include "gtest/gtest.h"

namespace rlhf {
namespace {

TEST(ScriptsTest, EveryBlockIsFoundAtItsEnds) {
  EXPECT_EQ(ScriptOf(0x0400), Script::kCyrillic);
  EXPECT_EQ(ScriptOf(0x052F), Script::kCyrillic);
  EXPECT_EQ(ScriptOf(0x0530), Script::kOther);
  EXPECT_EQ(ScriptOf(0x00D7), Script::kOther);  // ×
  EXPECT_EQ(ScriptOf(U'z'), Script::kLatin);
  EXPECT_EQ(ScriptOf(0x10FFFF), Script::kOther);
}

}  // namespace
}  // namespace rlhf
