// Reads real comparisons: the test file of hh-rlhf's harmless-base, which is
// not part of this repository.
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "feedback/preference_pair.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

std::string HhFile() {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  return absl::StrCat(root == nullptr ? "." : root,
                      "/../shared/data/hh-harmless-base-test.jsonl.gz");
}

std::vector<Json> ReadLines() {
  std::vector<Json> lines;
  FILE* const pipe =
      ::popen(absl::StrCat("gzip -dc '", HhFile(), "'").c_str(), "r");
  std::string line;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
    if (c != '\n') {
      line.push_back(static_cast<char>(c));
      continue;
    }
    absl::StatusOr<Json> json = ParseJson(line);
    EXPECT_OK(json) << "line " << lines.size() + 1;
    lines.push_back(*std::move(json));
    line.clear();
  }
  ::pclose(pipe);
  return lines;
}

TEST(HhRlhfTest, HarmlessBaseHasThePublishedCounts) {
  if (!FileExists(HhFile())) {
    GTEST_SKIP() << HhFile() << " is not there";
  }
  const std::vector<Json> lines = ReadLines();
  ASSERT_EQ(lines.size(), 2312);

  std::map<int, int> assistant_turns;
  std::vector<size_t> without_shared_prompt;
  std::set<std::string> prompts;
  int empty_chosen = 0, num_pairs = 0;
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_OK_AND_ASSIGN(const PreferenceDialogues dialogues,
                         ReadPreferenceDialogues(lines[i]));
    int turns = 0;
    for (const v1::Message& message : dialogues.chosen) {
      turns += message.role() == "assistant" ? 1 : 0;
    }
    ++assistant_turns[turns];
    empty_chosen += dialogues.chosen.rbegin()->content().empty() ? 1 : 0;
    const absl::StatusOr<PreferencePair> pair = ReadPreferencePair(lines[i]);
    if (pair.ok()) {
      ++num_pairs;
      prompts.insert(pair->prompt.prompt_id());
    } else if (absl::StrContains(pair.status().message(), "same prompt")) {
      without_shared_prompt.push_back(i);
    }
  }

  EXPECT_THAT(without_shared_prompt,
              testing::ElementsAre(1254, 1688, 1950, 1952, 2036));
  EXPECT_EQ(empty_chosen, 4);
  EXPECT_EQ(assistant_turns, (std::map<int, int>{{1, 662},
                                                 {2, 580},
                                                 {3, 593},
                                                 {4, 355},
                                                 {5, 68},
                                                 {6, 20},
                                                 {7, 17},
                                                 {8, 7},
                                                 {9, 4},
                                                 {10, 2},
                                                 {11, 2},
                                                 {12, 1},
                                                 {18, 1}}));
}

}  // namespace
}  // namespace rlhf
