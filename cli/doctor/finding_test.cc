#include "cli/doctor/finding.h"

#include <sstream>

#include "gtest/gtest.h"

namespace rlhf {
namespace {

Findings SomeFindings() {
  return {{.subject = "disk space", .found = "3.00 GiB free in runs"},
          {.subject = "memory",
           .level = Level::kFault,
           .found = "1 MiB available\nof 2",
           .advice = "buy more",
           .figures = {{"available_bytes", 1}}}};
}

TEST(FindingTest, PrintsALineEachAndWhatToDoBelowWhatIsWrong) {
  std::ostringstream out;
  PrintFindings(SomeFindings(), out);
  EXPECT_EQ(out.str(),
            "ok       disk space  3.00 GiB free in runs\n"
            "fault    memory      1 MiB available\n"
            "                     of 2\n"
            "                     -> buy more\n"
            "1 fault, 0 warnings\n");
}

TEST(FindingTest, JsonHasEveryPart) {
  const Json json = ToJson(SomeFindings());
  ASSERT_EQ(json.size(), 2);
  EXPECT_EQ(json[0]["level"], "ok");
  EXPECT_EQ(json[1]["subject"], "memory");
  EXPECT_EQ(json[1]["level"], "fault");
  EXPECT_EQ(json[1]["advice"], "buy more");
  EXPECT_EQ(json[1]["figures"]["available_bytes"], 1);
}

}  // namespace
}  // namespace rlhf
