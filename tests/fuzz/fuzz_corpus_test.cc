// Every input of corpus/TARGET/ given to its target: seeds, and what a fuzzer
// once found. A target that breaks a promise dies; the last test that began
// names the input.
#include <cstdlib>
#include <set>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "gtest/gtest.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

struct Input {
  std::string target;
  std::string name;
};

// From the root of the source tree: set RLHF_SOURCE_DIR, or run through ctest.
std::string Corpus(const std::string& name) {
  const char* const root = std::getenv("RLHF_SOURCE_DIR");
  return absl::StrCat(root == nullptr ? "." : root, "/tests/fuzz/corpus/",
                      name);
}

std::vector<Input> AllInputs() {
  std::vector<Input> inputs;
  for (const std::string& target : ListDirectory(Corpus(""))) {
    for (const std::string& name : ListDirectory(Corpus(target))) {
      inputs.push_back({target, name});
    }
  }
  RLHF_CHECK(!inputs.empty()) << Corpus("") << " is empty";
  return inputs;
}

std::string NameOf(const testing::TestParamInfo<Input>& info) {
  std::string name = absl::StrCat(info.param.target, "_", info.param.name);
  for (char& c : name) {
    if (!absl::ascii_isalnum(c)) c = '_';
  }
  return name;
}

class FuzzCorpusTest : public testing::TestWithParam<Input> {};

TEST_P(FuzzCorpusTest, TheTargetKeepsItsPromises) {
  const auto found = FuzzTargets().find(GetParam().target);
  ASSERT_NE(found, FuzzTargets().end())
      << "tests/fuzz/corpus/ has a folder of a target that is not there";
  ASSERT_OK_AND_ASSIGN(
      const std::string bytes,
      ReadFile(Corpus(absl::StrCat(GetParam().target, "/", GetParam().name))));
  found->second(bytes);
}

INSTANTIATE_TEST_SUITE_P(Corpus, FuzzCorpusTest, testing::ValuesIn(AllInputs()),
                         NameOf);

TEST(FuzzTargetsTest, EachHasSeedsAndTakesAnEmptyInputAndZeros) {
  ASSERT_FALSE(FuzzTargets().empty());
  for (const auto& [name, target] : FuzzTargets()) {
    EXPECT_FALSE(ListDirectory(Corpus(name)).empty())
        << "tests/fuzz/corpus/" << name << " is empty";
    target("");
    target(std::string(64, '\0'));
  }
}

}  // namespace
}  // namespace rlhf
