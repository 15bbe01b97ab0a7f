// Real comparisons through the batch gate: the test split of HH-RLHF's
// harmless-base, where it lies beside the source tree.
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "feedback/batch/batch_report.h"
#include "feedback/batch_desk.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {
namespace {

std::string DataPath() {
  const char* const root = std::getenv("RLHF_SOURCE_DIR");
  return std::string(root == nullptr ? "." : root) +
         "/../shared/data/hh-harmless-base-test.jsonl.gz";
}

std::string Unzipped(const std::string& path) {
  std::string text;
  FILE* const pipe =
      ::popen(absl::StrCat("gzip -dc '", path, "'").c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  char buffer[1 << 16];
  size_t size = 0;
  while ((size = std::fread(buffer, 1, sizeof(buffer), pipe)) > 0) {
    text.append(buffer, size);
  }
  EXPECT_EQ(::pclose(pipe), 0);
  return text;
}

class RealBatchTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!FileExists(DataPath())) {
      GTEST_SKIP() << "there is no " << DataPath();
    }
    text_ = Unzipped(DataPath());
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    ASSERT_OK(store);
    store_ = *std::move(store);
    desk_ = std::make_unique<BatchDesk>(
        BatchDesk::Options(), store_.get(),
        [this](const std::vector<v1::Comparison>& comparisons) {
          return store_->AppendAll(comparisons);
        },
        nullptr, &clock_, &metrics_);
  }

  v1::BatchReport Import(const std::string& text) {
    const auto report = desk_->Import({.text = text, .name = "hh.jsonl"});
    EXPECT_OK(report);
    return report.ok() ? *report : v1::BatchReport();
  }

  TempDir dir_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::string text_;
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<BatchDesk> desk_;
};

TEST_F(RealBatchTest, HhRlhfPassesTheGate) {
  const v1::BatchReport report = Import(text_);
  EXPECT_EQ(report.verdict(), v1::BATCH_ACCEPTED) << BatchReportText(report);
  EXPECT_EQ(report.num_records(), 2312);
  EXPECT_EQ(report.num_malformed(), 0);
  EXPECT_EQ(store_->GetStats().num_comparisons, report.accepted());
  RecordProperty("report", BatchReportText(report));
  std::cout << BatchReportText(report);
}

// The second half after the first is more of the same; the first half again,
// with other line ends, is the same again.
TEST_F(RealBatchTest, TheSecondHalfIsFreshAndTheFirstAgainIsNot) {
  const size_t middle = text_.find('\n', text_.size() / 2) + 1;
  Import(text_.substr(0, middle));
  const v1::BatchReport second = Import(text_.substr(middle));
  EXPECT_EQ(second.verdict(), v1::BATCH_ACCEPTED) << BatchReportText(second);
  const v1::BatchReport again = Import(text_.substr(0, middle) + "\n");
  EXPECT_EQ(again.verdict(), v1::BATCH_QUARANTINED);
  for (const v1::BatchReportFinding& finding : again.findings()) {
    EXPECT_EQ(finding.passed(), finding.check() != "duplicates")
        << finding.detail();
  }
}

}  // namespace
}  // namespace rlhf
