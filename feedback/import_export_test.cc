#include "feedback/import_export.h"

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
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
  std::string WriteLines(const std::string& text) {
    const std::string path = dir_ / "batch.jsonl";
    EXPECT_OK(WriteFileAtomically(path, text));
    return path;
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

TEST_F(ImportExportTest, LinesThatAreNoPreferenceAreLeftOutAndReported) {
  const auto store = OpenStore("comparisons.db");
  const std::string same =
      R"({"prompt": "2+2?", "chosen": "4", "rejected": "4"})";
  ASSERT_OK_AND_ASSIGN(
      const ImportReport report,
      ImportComparisons(store.get(),
                        WriteLines(absl::StrCat(same, "\n", kPair, "\n"))));
  EXPECT_EQ(report.num_accepted, 1);
  ASSERT_THAT(report.refused, SizeIs(1));
  EXPECT_EQ(report.refused[0].line, 1);
  EXPECT_THAT(report.refused[0].reason, HasSubstr("are the same"));
}

TEST_F(ImportExportTest, ImportingTwiceStoresOnce) {
  const auto store = OpenStore("comparisons.db");
  const std::string path = WriteLines(absl::StrCat(kPair, "\n", kPair, "\n"));
  ASSERT_OK_AND_ASSIGN(const ImportReport first,
                       ImportComparisons(store.get(), path));
  EXPECT_EQ(first.num_accepted, 1);
  EXPECT_EQ(first.num_duplicates, 1);
  ASSERT_OK_AND_ASSIGN(const ImportReport second,
                       ImportComparisons(store.get(), path));
  EXPECT_EQ(second.num_accepted, 0);
  EXPECT_EQ(second.num_duplicates, 2);
}

TEST_F(ImportExportTest, MalformedLineLeavesTheStoreUntouched) {
  const auto store = OpenStore("comparisons.db");
  EXPECT_THAT(
      ImportComparisons(store.get(), WriteLines(absl::StrCat(kPair, "\n{\n"))),
      StatusIs(absl::StatusCode::kInvalidArgument,
               HasSubstr("batch.jsonl:2: ")));
  EXPECT_EQ(store->GetStats().num_comparisons, 0);
}

TEST_F(ImportExportTest, LinesOfOurOwnFormCarryWhatAnyFileGave) {
  const auto store = OpenStore("comparisons.db");
  for (const char* const name : {"label_studio.json", "mturk.csv"}) {
    const std::string text = FeedbackFixture(name);
    ASSERT_OK_AND_ASSIGN(const ParsedComparisons parsed,
                         ParseComparisons(text, name));
    ASSERT_OK(WriteFileAtomically(dir_ / name, text));
    ASSERT_OK(ImportComparisons(store.get(), dir_ / name));

    std::string lines;
    for (const v1::Comparison& comparison : parsed.comparisons) {
      ASSERT_OK_AND_ASSIGN(const std::string line, ComparisonLine(comparison));
      absl::StrAppend(&lines, line, "\n");
    }
    // Under the name of a CSV file, as a service is told where they come from.
    ASSERT_OK(WriteFileAtomically(dir_ / "lines.csv", lines));
    ASSERT_OK_AND_ASSIGN(const ImportReport again,
                         ImportComparisons(store.get(), dir_ / "lines.csv"));
    EXPECT_EQ(again.num_accepted, 0) << name;
    EXPECT_EQ(again.num_duplicates, 2) << name;
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
  ASSERT_OK(ImportComparisons(copy.get(), dir_ / "out.jsonl"));
  v1::Comparison back = copy->Read(1, 1)->at(0);
  // The prompt's name is made anew from its messages.
  back.mutable_prompt()->clear_prompt_id();
  back.clear_seq();
  back.clear_committed_unix_ms();
  EXPECT_EQ(back.SerializeAsString(), comparison.SerializeAsString());
}

TEST_F(ImportExportTest, RetractedComparisonsAreInNoExport) {
  const auto store = OpenStore("comparisons.db");
  ASSERT_OK(ImportComparisons(store.get(), WriteLines(kPair)));
  const v1::Comparison only = store->Read(1, 1)->at(0);
  ASSERT_OK(store->Retract({.comparison_ids = {only.comparison_id()}},
                           "asked to", "grace"));
  for (const auto format : {ExportFormat::kRlhf, ExportFormat::kTrl}) {
    ASSERT_OK_AND_ASSIGN(const int64_t num_lines, Export(*store, format));
    EXPECT_EQ(num_lines, 0);
    EXPECT_EQ(*ReadFile(dir_ / "out.jsonl"), "");
  }
  // Nor does the file that it came in bring it back.
  ASSERT_OK_AND_ASSIGN(const ImportReport again,
                       ImportComparisons(store.get(), WriteLines(kPair)));
  EXPECT_EQ(again.num_accepted, 0);
  EXPECT_EQ(store->Read(1, 1)->at(0).choice(), v1::RETRACTED);
}

TEST_F(ImportExportTest, LineThatSaysRetractedIsMalformed) {
  const auto store = OpenStore("comparisons.db");
  EXPECT_THAT(ImportComparisons(
                  store.get(),
                  WriteLines(R"({"prompt": {"messages": [{"role": "user", )"
                             R"("content": "Hi"}]}, "response_a": "a", )"
                             R"("response_b": "b", "choice": "RETRACTED"})")),
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

}  // namespace
}  // namespace rlhf
