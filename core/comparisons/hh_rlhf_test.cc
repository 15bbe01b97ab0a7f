// Reads real comparisons: the test file of hh-rlhf's harmless-base, which is
// not part of this repository.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/json.h"
#include "core/comparisons/preference_pair.h"
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

// Messages with the same role as the one before them.
int CountRepeatedRoles(const Messages& dialogue) {
  int count = 0;
  for (int i = 1; i < dialogue.size(); ++i) {
    count += dialogue[i].role() == dialogue[i - 1].role() ? 1 : 0;
  }
  return count;
}

int CountAssistantTurns(const Messages& dialogue) {
  int count = 0;
  for (const v1::Message& message : dialogue) {
    count += message.role() == "assistant" ? 1 : 0;
  }
  return count;
}

std::string WithoutLast(Messages dialogue) {
  std::string text;
  dialogue.RemoveLast();
  for (const v1::Message& message : dialogue) {
    absl::StrAppend(&text, message.SerializeAsString(), "\n");
  }
  return text;
}

// Without white space around it.
int64_t CountCharacters(const v1::Message& message) {
  const absl::string_view text = absl::StripAsciiWhitespace(message.content());
  return std::count_if(text.begin(), text.end(),
                       [](char c) { return (c & 0xC0) != 0x80; });
}

// What is known of the file, counted by other programs.
struct Counts {
  std::map<int, int> assistant_turns;
  std::set<std::string> prompts;
  std::vector<size_t> without_shared_prompt;
  int empty_chosen = 0, chosen_longer = 0, repeated_roles = 0;
  double chosen_characters = 0, rejected_characters = 0;
};

void Count(size_t row, const Json& line, Counts& counts) {
  ASSERT_OK_AND_ASSIGN(const PreferenceDialogues dialogues,
                       ReadPreferenceDialogues(line));
  ++counts.assistant_turns[CountAssistantTurns(dialogues.chosen)];
  counts.prompts.insert(WithoutLast(dialogues.chosen));
  for (const Messages* dialogue : {&dialogues.chosen, &dialogues.rejected}) {
    EXPECT_EQ(dialogue->begin()->role(), "user");
    EXPECT_EQ(dialogue->rbegin()->role(), "assistant");
    counts.repeated_roles += CountRepeatedRoles(*dialogue) > 0 ? 1 : 0;
  }
  const int64_t chosen = CountCharacters(*dialogues.chosen.rbegin());
  const int64_t rejected = CountCharacters(*dialogues.rejected.rbegin());
  counts.empty_chosen += chosen == 0 ? 1 : 0;
  counts.chosen_longer += chosen > rejected ? 1 : 0;
  counts.chosen_characters += static_cast<double>(chosen);
  counts.rejected_characters += static_cast<double>(rejected);
  const absl::Status pair = ReadPreferencePair(line).status();
  if (absl::StrContains(pair.message(), "same prompt")) {
    counts.without_shared_prompt.push_back(row);
  }
}

TEST(HhRlhfTest, HarmlessBaseHasThePublishedCounts) {
  if (!FileExists(HhFile())) {
    GTEST_SKIP() << HhFile() << " is not there";
  }
  const std::vector<Json> lines = ReadLines();
  ASSERT_EQ(lines.size(), 2312);

  Counts counts;
  for (size_t i = 0; i < lines.size(); ++i) Count(i, lines[i], counts);

  EXPECT_EQ(counts.prompts.size(), 2310);
  EXPECT_THAT(counts.without_shared_prompt,
              testing::ElementsAre(1254, 1688, 1950, 1952, 2036));
  EXPECT_EQ(counts.repeated_roles, 13);
  EXPECT_EQ(counts.empty_chosen, 4);
  // People chose the longer answer in 44.2 % only.
  EXPECT_NEAR(counts.chosen_longer / 2312.0, 0.442, 0.001);
  EXPECT_NEAR(counts.chosen_characters / 2312, 167, 0.5);
  EXPECT_NEAR(counts.rejected_characters / 2312, 210, 0.5);
  EXPECT_EQ(counts.assistant_turns, (std::map<int, int>{{1, 662},
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
