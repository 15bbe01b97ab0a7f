#include "feedback/import_export.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/preference_store.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/fixtures/comparisons/fixture.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kPair[] =
    R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})";

class ImportExportTest : public ::testing::Test {
 protected:
  std::unique_ptr<PreferenceStore> OpenStore(const std::string& name) {
    auto store = PreferenceStore::Open(dir_ / name, &clock_, &metrics_);
    EXPECT_OK(store);
    return *std::move(store);
  }
  absl::StatusOr<int64_t> Export(const PreferenceStore& store,
                                 ExportFormat format) {
    return ExportComparisons(
        store.GetStats().num_comparisons,
        [&](int64_t first, int64_t last) { return store.Read(first, last); },
        dir_ / "out.jsonl", format);
  }

  TempDir dir_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
};

TEST_F(ImportExportTest, LinesOfOurOwnFormCarryWhatAnyFileGave) {
  const auto store = OpenStore("comparisons.db");
  for (const char* const name : {"label_studio.json", "mturk.csv"}) {
    const std::string text = FeedbackFixture(name);
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                         ParseComparisons(text, name));
    ASSERT_OK(store->AppendAll(parsed.comparisons));

    std::string lines;
    for (const v1::Comparison& comparison : parsed.comparisons) {
      ASSERT_OK_AND_ASSIGN(const std::string line, ComparisonLine(comparison));
      absl::StrAppend(&lines, line, "\n");
    }
    // Under the name of a CSV file, as a service is told where they come from.
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons back,
                         ParseComparisons(lines, "lines.csv"));
    ASSERT_OK_AND_ASSIGN(const auto again, store->AppendAll(back.comparisons));
    ASSERT_THAT(again, SizeIs(2)) << name;
    EXPECT_TRUE(again[0].duplicate) << name;
    EXPECT_TRUE(again[1].duplicate) << name;
  }
}

TEST_F(ImportExportTest, OwnFormatBringsEveryFieldBack) {
  const auto store = OpenStore("comparisons.db");
  v1::Comparison comparison;
  comparison.set_comparison_id("c1");
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("Grüße, \"you\"\n");
  comparison.set_response_a("a");
  comparison.set_response_b("b");
  comparison.set_choice(v1::B_BETTER);
  comparison.set_strength(3);
  comparison.set_worker_id("ada");
  comparison.set_shown_swapped(true);
  comparison.set_policy_version_a(12);
  comparison.set_worker_seconds(2.5);
  comparison.set_source("page");
  ASSERT_OK(store->Append(comparison));
  ASSERT_OK_AND_ASSIGN(const int64_t num_lines,
                       Export(*store, ExportFormat::kRlhf));
  EXPECT_EQ(num_lines, 1);

  const auto copy = OpenStore("copy.db");
  ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                       ReadComparisons(dir_ / "out.jsonl"));
  ASSERT_OK(copy->AppendAll(parsed.comparisons));
  v1::Comparison back = copy->Read(1, 1)->at(0);
  // The prompt's name is made anew from its messages.
  back.mutable_prompt()->clear_prompt_id();
  back.clear_seq();
  back.clear_committed_unix_ms();
  EXPECT_EQ(back.SerializeAsString(), comparison.SerializeAsString());
}

TEST_F(ImportExportTest, RetractedComparisonsAreInNoExport) {
  const auto store = OpenStore("comparisons.db");
  ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                       ParseComparisons(kPair, "f.jsonl"));
  ASSERT_OK(store->AppendAll(parsed.comparisons));
  const v1::Comparison only = store->Read(1, 1)->at(0);
  ASSERT_OK(store->Retract({.comparison_ids = {only.comparison_id()}},
                           "asked to", "grace"));
  for (const auto format : {ExportFormat::kRlhf, ExportFormat::kTrl}) {
    ASSERT_OK_AND_ASSIGN(const int64_t num_lines, Export(*store, format));
    EXPECT_EQ(num_lines, 0);
    EXPECT_EQ(*ReadFile(dir_ / "out.jsonl"), "");
  }
  // Nor does the file that it came in bring it back.
  ASSERT_OK_AND_ASSIGN(const auto again, store->AppendAll(parsed.comparisons));
  EXPECT_TRUE(again[0].duplicate);
  EXPECT_EQ(store->Read(1, 1)->at(0).choice(), v1::RETRACTED);
}

TEST_F(ImportExportTest, ExtraAnswersAreExportedAsSuchAndNotToTrainOn) {
  const auto store = OpenStore("comparisons.db");
  ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                       ParseComparisons(kPair, "f.jsonl"));
  v1::Comparison extra = parsed.comparisons.at(0);
  extra.set_extra(true);
  ASSERT_OK(store->Append(extra));
  EXPECT_EQ(*Export(*store, ExportFormat::kTrl), 0);
  EXPECT_EQ(*Export(*store, ExportFormat::kRlhf), 1);
  ASSERT_OK_AND_ASSIGN(const ParsedComparisons back,
                       ReadComparisons(dir_ / "out.jsonl"));
  EXPECT_TRUE(back.comparisons.at(0).extra());
}

TEST_F(ImportExportTest, LineThatSaysRetractedIsMalformed) {
  EXPECT_THAT(ParseComparisons(R"({"prompt": {"messages": [{"role": "user", )"
                               R"("content": "Hi"}]}, "response_a": "a", )"
                               R"("response_b": "b", "choice": "RETRACTED"})",
                               "f.jsonl"),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("\"choice\" must be")));
}

TEST_F(ImportExportTest, TrlExportHasTheBetterSideFirstAndNoTies) {
  const auto store = OpenStore("comparisons.db");
  v1::Comparison comparison;
  v1::Message* const message = comparison.mutable_prompt()->add_messages();
  message->set_role("user");
  message->set_content("Hi");
  comparison.set_response_a("a");
  comparison.set_response_b("b");
  comparison.set_comparison_id("c1");
  comparison.set_choice(v1::B_BETTER);
  ASSERT_OK(store->Append(comparison));
  comparison.set_comparison_id("c2");
  comparison.set_choice(v1::TIE);
  ASSERT_OK(store->Append(comparison));

  ASSERT_OK(Export(*store, ExportFormat::kTrl));
  EXPECT_EQ(*ReadFile(dir_ / "out.jsonl"),
            R"({"chosen":[{"content":"b","role":"assistant"}],)"
            R"("prompt":[{"content":"Hi","role":"user"}],)"
            R"("rejected":[{"content":"a","role":"assistant"}]})"
            "\n");
}

// A log as long as one likes, which holds none of its rows.
TEST_F(ImportExportTest, LongLogGoesToTheFilePageByPage) {
  constexpr int64_t kNumComparisons = 20 * kComparisonsAtOnce + 1;
  const std::string path = dir_ / "out.jsonl";
  const std::string response(1000, 'x');
  int64_t next = 1;
  const auto read = [&](int64_t first, int64_t last) {
    EXPECT_EQ(first, next) << "each row is read once";
    EXPECT_LE(last - first, kComparisonsAtOnce);
    next = last + 1;
    EXPECT_FALSE(FileExists(path));
    // All but what a buffer holds has left the memory.
    const std::vector<std::string> names = ListDirectory(dir_.path());
    for (const std::string& name : names) {
      EXPECT_GE(static_cast<int64_t>(ReadFile(dir_ / name)->size()),
                (first - 1) * 1000 - 100'000);
    }
    EXPECT_EQ(names.size(), 1u);
    std::vector<v1::Comparison> page;
    for (int64_t seq = first; seq <= last; ++seq) {
      page.emplace_back().set_seq(seq);
      page.back().set_response_a(response);
    }
    return absl::StatusOr<std::vector<v1::Comparison>>(std::move(page));
  };
  ASSERT_OK_AND_ASSIGN(
      const int64_t num_lines,
      ExportComparisons(kNumComparisons, read, path, ExportFormat::kRlhf));
  EXPECT_EQ(num_lines, kNumComparisons);
  EXPECT_EQ(next, kNumComparisons + 1);
  EXPECT_GT(ReadFile(path)->size(), kNumComparisons * 1000u);
}

TEST_F(ImportExportTest, WhatCannotBeReadLeavesNoHalfExport) {
  EXPECT_THAT(ExportComparisons(
                  kComparisonsAtOnce + 1,
                  [](int64_t first, int64_t) {
                    return first == 1
                               ? absl::StatusOr<std::vector<v1::Comparison>>(
                                     std::vector<v1::Comparison>(1))
                               : absl::UnavailableError("the service is away");
                  },
                  dir_ / "out.jsonl", ExportFormat::kRlhf)
                  .status(),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("away")));
  EXPECT_TRUE(ListDirectory(dir_.path()).empty());
}

}  // namespace
}  // namespace rlhf
