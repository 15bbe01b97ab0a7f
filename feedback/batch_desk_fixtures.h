// What tests of the batch desk share.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "core/base/clock.h"
#include "feedback/batch_desk.h"
#include "feedback/feedback_metrics.h"
#include "feedback/preference_store.h"
#include "feedback/sqlite_table.h"
#include "feedback/test_cut_table.h"
#include "gtest/gtest.h"
#include "prometheus/registry.h"
#include "tests/testing/status_matchers.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

// Two lines of a file: one that any gate lets in, and one that holds an address
// and so waits for a person.
inline constexpr char kPair[] =
    R"({"prompt": "2+2?", "chosen": "4", "rejected": "5"})"
    "\n";
inline constexpr char kMail[] =
    R"({"prompt": "Who?", "chosen": "ada@example.org", "rejected": "no"})"
    "\n";

// A preference store in a folder of its own, and a desk that appends to it
// whatever it lets in.
class BatchDeskFixture : public ::testing::Test {
 protected:
  BatchDeskFixture() {
    auto store =
        PreferenceStore::Open(dir_ / "comparisons.db", &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    MakeDesk({});
  }

  void MakeDesk(BatchDesk::Options options, PmMargins margins = nullptr) {
    desk_ = std::make_unique<BatchDesk>(
        std::move(options), store_.get(),
        [this](const std::vector<v1::Comparison>& comparisons) {
          return store_->AppendAll(comparisons);
        },
        std::move(margins), &clock_, &metrics_);
  }

  // Opens the store again, to be killed after `num_commits` changes of it.
  CutTable* Reopen(int num_commits) {
    desk_.reset();
    store_.reset();
    auto table = SqliteTable::Open(dir_ / "comparisons.db");
    EXPECT_OK(table);
    auto cut = std::make_unique<CutTable>(*std::move(table), num_commits);
    CutTable* const told = cut.get();
    auto store = PreferenceStore::OpenTable(std::move(cut), &clock_, &metrics_);
    EXPECT_OK(store);
    store_ = *std::move(store);
    MakeDesk({});
    return told;
  }

  int64_t stored() const { return store_->GetStats().num_comparisons; }

  TempDir dir_;
  FakeClock clock_;
  prometheus::Registry registry_;
  FeedbackMetrics metrics_{registry_};
  std::unique_ptr<PreferenceStore> store_;
  std::unique_ptr<BatchDesk> desk_;
};

}  // namespace rlhf
