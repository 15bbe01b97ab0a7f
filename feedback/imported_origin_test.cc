#include "feedback/imported_origin.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/parse_comparisons.h"
#include "feedback/batch/batch_fixtures.h"
#include "feedback/batch_desk_fixtures.h"
#include "feedback/import_export.h"
#include "feedback/label_tally.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

// What the batch desk stores.
class ImportedOriginTest : public BatchDeskFixture {
 protected:
  v1::BatchReport Import(const std::string& text,
                         const std::string& name = "f.jsonl") {
    const auto report = desk_->Import({.text = text, .name = name});
    EXPECT_OK(report);
    return report.ok() ? *report : v1::BatchReport();
  }

  static std::string LineOf(const v1::Comparison& comparison) {
    return absl::StrCat(*ComparisonLine(comparison), "\n");
  }
};

TEST_F(ImportedOriginTest, WhatAFileSaysOfThisRunIsNotBelieved) {
  v1::Comparison claimed = FixtureComparison(1, "ada", v1::A_BETTER);
  claimed.set_source("vendor");
  claimed.set_policy_version_a(7);
  claimed.set_policy_version_b(3);
  claimed.set_pm_version(2);
  Import(LineOf(claimed));
  const v1::Comparison stored_one = store_->Read(1, 1)->at(0);
  EXPECT_EQ(stored_one.source(), "import:f.jsonl");
  EXPECT_EQ(stored_one.worker_id(), "ada");
  EXPECT_EQ(stored_one.policy_version_a(), -1);
  EXPECT_EQ(stored_one.policy_version_b(), -1);
  EXPECT_EQ(stored_one.pm_version(), 0);
  // The same one in another file is known again.
  EXPECT_EQ(Import(LineOf(claimed) + kPair, "g.jsonl").duplicates(), 1);
}

// A source is kept when the comparison is retracted, and names nobody then.
TEST_F(ImportedOriginTest, WhatAFileCallsItsSourceIsNotKept) {
  v1::Comparison claimed = FixtureComparison(1, "", v1::A_BETTER);
  claimed.set_source("import:Ada of Fox Street");
  Import(LineOf(claimed));
  claimed = FixtureComparison(2, "import:Ada of Fox Street", v1::A_BETTER);
  Import(LineOf(claimed));
  ASSERT_OK_AND_ASSIGN(const std::vector<v1::Comparison> all,
                       store_->Read(1, 2));
  for (const v1::Comparison& one : all) {
    EXPECT_EQ(one.source(), "import:f.jsonl");
    EXPECT_EQ(one.worker_id(), "import:f.jsonl");
  }
}

TEST_F(ImportedOriginTest, AFileCannotSayThatOurWorkersJudged) {
  std::string text;
  for (const char* const source : {"page", "crowd", "gold", "other"}) {
    v1::Comparison comparison = FixtureComparison(0, "ada", v1::A_BETTER);
    comparison.set_comparison_id(source);
    comparison.set_source(source);
    text += LineOf(comparison);
  }
  EXPECT_EQ(Import(text).num_gold(), 1);
  ASSERT_EQ(stored(), 3);
  LabelTally tally;
  ASSERT_OK_AND_ASSIGN(const std::vector<v1::Comparison> all,
                       store_->Read(1, 3));
  for (const v1::Comparison& one : all) {
    EXPECT_EQ(one.source(), "import:f.jsonl");
    tally.Add(one);
  }
  EXPECT_EQ(tally.ToJson(clock_.Now(), 0.5)["spend"], 0);
}

TEST_F(ImportedOriginTest, OurOwnAnswersComeBackAsDuplicates) {
  v1::Comparison own = FixtureComparison(0, "ada", v1::A_BETTER);
  own.set_source("page");
  own.set_policy_version_a(4);
  v1::Comparison old = ParseComparisons(LineOf(own), "f")->comparisons.at(0);
  // As it was stored before the field was there.
  old.clear_sides_known();
  ASSERT_OK(store_->Append(old));
  EXPECT_EQ(Import(LineOf(own)).duplicates(), 1);
  EXPECT_EQ(stored(), 1);
  EXPECT_EQ(store_->Read(1, 1)->at(0).policy_version_a(), 4);
}

TEST_F(ImportedOriginTest, WhatWasImportedByOtherRulesIsKnownAgain) {
  v1::Comparison vendors = FixtureComparison(0, "vendor", v1::A_BETTER);
  vendors.set_source("vendor");
  vendors.set_policy_version_a(7);
  ASSERT_OK(store_->Append(
      ParseComparisons(LineOf(vendors), "f")->comparisons.at(0)));
  EXPECT_EQ(Import(LineOf(vendors)).duplicates(), 1);
  EXPECT_EQ(stored(), 1);
}

}  // namespace
}  // namespace rlhf
