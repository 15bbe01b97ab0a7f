// docs/import.md shows a file of every form; here each of them is read.
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "core/base/file.h"
#include "core/comparisons/parse_comparisons.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

// The contents of the blocks that have a file's name behind their language.
std::map<std::string, std::string> SamplesOf(const std::string& document) {
  std::map<std::string, std::string> samples;
  std::string name;
  bool inside = false;
  for (const std::string& line :
       std::vector<std::string>(absl::StrSplit(document, '\n'))) {
    if (absl::StartsWith(line, "```")) {
      const std::pair<std::string, std::string> words =
          absl::StrSplit(line, absl::MaxSplits(' ', 1));
      name = inside ? "" : words.second;
      inside = !inside;
    } else if (!name.empty()) {
      absl::StrAppend(&samples[name], line, "\n");
    }
  }
  return samples;
}

// "worker choice strength" of each comparison.
std::vector<std::string> Judgements(const ParsedComparisons& parsed) {
  std::vector<std::string> judgements;
  for (const v1::Comparison& comparison : parsed.comparisons) {
    judgements.push_back(absl::StrCat(comparison.worker_id(), " ",
                                      v1::Choice_Name(comparison.choice()), " ",
                                      comparison.strength()));
  }
  return judgements;
}

TEST(ImportDocsTest, EverySampleIsReadAsThePageSays) {
  const char* root = std::getenv("RLHF_SOURCE_DIR");
  ASSERT_OK_AND_ASSIGN(
      const std::string document,
      ReadFile(absl::StrCat(root == nullptr ? "." : root, "/docs/import.md")));
  const std::map<std::string, std::vector<std::string>> wanted = {
      {"mturk.csv", {"AW1 B_BETTER 3", "AW2 TIE 0"}},
      {"prolific.csv", {"p1 B_BETTER 1", "p2 BOTH_BAD 0"}},
      {"trl.jsonl",
       {"import:trl.jsonl A_BETTER 1", "import:trl.jsonl A_BETTER 1"}},
      {"hh.jsonl", {"import:hh.jsonl A_BETTER 1"}},
      {"argilla.json", {"u1 B_BETTER 1", "u2 A_BETTER 1", "u1 BOTH_BAD 0"}},
      {"label_studio.json", {"label-studio:10 B_BETTER 1"}},
      {"ours.jsonl", {"import:ours.jsonl B_BETTER 2", "w3 TIE 0"}}};
  const std::map<std::string, std::string> samples = SamplesOf(document);
  EXPECT_EQ(samples.size(), wanted.size());
  for (const auto& [name, text] : samples) {
    const auto parsed = ParseComparisons(text, name);
    ASSERT_OK(parsed) << name;
    EXPECT_TRUE(parsed->refused.empty()) << name;
    ASSERT_TRUE(wanted.contains(name)) << name;
    EXPECT_EQ(Judgements(*parsed), wanted.at(name)) << name;
  }
}

}  // namespace
}  // namespace rlhf
