// A preference store's database in memory, which outlives the processes that
// have it open, and fails as it is told.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "feedback/comparison_chain.h"
#include "feedback/comparison_table.h"

namespace rlhf {

// What is durable. Retractions are not kept: nothing here makes any.
struct MemoryDisk {
  std::vector<ComparisonRow> rows;
  std::map<std::string, size_t> by_id;  // where in `rows`
  std::map<std::string, StoredBatch> batches;

  LogPosition position() const {
    return {static_cast<int64_t>(rows.size()),
            rows.empty() ? ChainStart() : rows.back().chain, 0};
  }
};

class MemoryTable final : public ComparisonTable {
 public:
  enum class Fate { kMade, kDiskFull, kNotMade, kMadeButNotKnown };

  // Neither is owned. `next_fate` is asked before each commit that appends.
  MemoryTable(MemoryDisk* disk, std::function<Fate()> next_fate)
      : disk_(disk), next_fate_(std::move(next_fate)) {}

  const std::string& name() const override { return name_; }

  absl::StatusOr<std::vector<ComparisonRow>> Read(int64_t first_seq,
                                                  int64_t last_seq) override {
    const auto size = static_cast<int64_t>(disk_->rows.size());
    const int64_t begin = std::clamp<int64_t>(first_seq - 1, 0, size);
    const int64_t end = std::clamp<int64_t>(last_seq, begin, size);
    return std::vector<ComparisonRow>(disk_->rows.begin() + begin,
                                      disk_->rows.begin() + end);
  }
  absl::StatusOr<std::vector<ComparisonRow>> Find(
      absl::Span<const std::string> comparison_ids) override {
    std::vector<ComparisonRow> rows;
    for (const std::string& id : comparison_ids) {
      const auto found = disk_->by_id.find(id);
      if (found != disk_->by_id.end()) {
        rows.push_back(disk_->rows[found->second]);
      }
    }
    return rows;
  }
  absl::StatusOr<std::vector<RetractionRow>> ReadRetractions(int64_t,
                                                             int64_t) override {
    return std::vector<RetractionRow>();
  }
  // Whatever the cursor: nobody here turns pages.
  absl::StatusOr<std::vector<StoredBatch>> ListBatches(const BatchCursor&,
                                                       int64_t limit) override {
    std::vector<StoredBatch> batches;
    for (const auto& [id, batch] : disk_->batches) {
      if (static_cast<int64_t>(batches.size()) == limit) break;
      batches.push_back(batch);
      batches.back().payload.clear();
    }
    return batches;
  }
  absl::StatusOr<std::optional<StoredBatch>> GetBatch(
      const std::string& batch_id) override {
    const auto found = disk_->batches.find(batch_id);
    if (found == disk_->batches.end()) return std::optional<StoredBatch>();
    return found->second;
  }

  absl::Status Commit(const TableChange& change) override {
    if (!(change.base == disk_->position())) {
      return absl::AbortedError("the log is not where it was");
    }
    const Fate fate = change.appended.empty() ? Fate::kMade : next_fate_();
    if (fate == Fate::kDiskFull) {
      return absl::ResourceExhaustedError("the disk is full");
    }
    if (fate != Fate::kNotMade) {
      for (const ComparisonRow& row : change.appended) {
        disk_->by_id[row.comparison_id] = disk_->rows.size();
        disk_->rows.push_back(row);
      }
      for (const StoredBatch& batch : change.batches) {
        disk_->batches[batch.batch_id] = batch;
      }
    }
    return fate == Fate::kMade ? absl::OkStatus()
                               : absl::UnavailableError("no answer came");
  }
  absl::Status EraseTraces() override { return absl::OkStatus(); }
  absl::Status BackupTo(const std::string&) override {
    return absl::UnimplementedError("in memory only");
  }

 private:
  const std::string name_ = "memory";
  MemoryDisk* const disk_;
  const std::function<Fate()> next_fate_;
};

}  // namespace rlhf
