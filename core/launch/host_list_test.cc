#include "core/launch/host_list.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

TEST(FirstHostTest, IsTheFirstOfEachShortForm) {
  const struct {
    const char* list;
    const char* first;
  } kCases[] = {{"login", "login"},
                {"a,b", "a"},
                {"gpu[07-12,20],login1", "gpu07"},
                {"gpu[3,5-9]", "gpu3"},
                {"rack[2-4]node[01-16]", "rack2node01"},
                {"n[1-2].cluster,m", "n1.cluster"}};
  for (const auto& item : kCases) {
    ASSERT_OK_AND_ASSIGN(const std::string host, FirstHost(item.list));
    EXPECT_EQ(host, item.first);
  }
}

TEST(FirstHostTest, RefusesWhatIsNoList) {
  for (const char* list : {"", ",a", "[", "gpu[01-02"}) {
    EXPECT_THAT(FirstHost(list), StatusIs(StatusCode::kInvalidArgument,
                                          HasSubstr("no list of hosts")))
        << list;
  }
}

TEST(TasksOnNodeTest, CountsRepeatedNodes) {
  const int wanted[] = {2, 2, 2, 1, 4};
  for (int node = 0; node < 5; ++node) {
    ASSERT_OK_AND_ASSIGN(const int tasks, TasksOnNode("2(x3),1,4", node));
    EXPECT_EQ(tasks, wanted[node]) << node;
  }
}

TEST(TasksOnNodeTest, RefusesWhatSaysNothingOfTheNode) {
  for (const char* text : {"", "2(x3", "2(y3)", "x", "2(x1),0", "2,-1"}) {
    EXPECT_THAT(TasksOnNode(text, 1), StatusIs(StatusCode::kInvalidArgument,
                                               HasSubstr("tasks node 1")))
        << text;
  }
  EXPECT_THAT(TasksOnNode("2(x3)", 3),
              StatusIs(StatusCode::kInvalidArgument, testing::_));
}

}  // namespace
}  // namespace rlhf
