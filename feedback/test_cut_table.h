// A process that is killed between two changes of its store, in a test.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "feedback/comparison_table.h"

namespace rlhf {

// Passes all on to `table` until `num_commits` changes are made; then it is cut
// off, and every call is Unavailable.
class CutTable final : public ComparisonTable {
 public:
  CutTable(std::unique_ptr<ComparisonTable> table, int num_commits)
      : table_(std::move(table)), num_commits_left_(num_commits) {}

  const std::string& name() const override { return table_->name(); }

  absl::StatusOr<std::vector<ComparisonRow>> Read(int64_t first_seq,
                                                  int64_t last_seq) override {
    if (is_cut_) return Cut();
    if (on_read) on_read();
    return table_->Read(first_seq, last_seq);
  }
  absl::StatusOr<std::vector<ComparisonRow>> Find(
      absl::Span<const std::string> comparison_ids) override {
    if (is_cut_) return Cut();
    return table_->Find(comparison_ids);
  }
  absl::StatusOr<std::vector<RetractionRow>> ReadRetractions(
      int64_t first_number, int64_t last_number) override {
    if (is_cut_) return Cut();
    return table_->ReadRetractions(first_number, last_number);
  }
  absl::StatusOr<std::vector<StoredBatch>> ListBatches(const BatchCursor& after,
                                                       int64_t limit) override {
    if (is_cut_) return Cut();
    return table_->ListBatches(after, limit);
  }
  absl::StatusOr<std::optional<StoredBatch>> GetBatch(
      const std::string& batch_id) override {
    if (is_cut_) return Cut();
    return table_->GetBatch(batch_id);
  }
  absl::Status Commit(const TableChange& change) override {
    if (is_cut_ || num_commits_left_-- == 0) return Cut();
    if (on_commit) on_commit();
    return table_->Commit(change);
  }
  absl::Status EraseTraces() override {
    if (is_cut_) return Cut();
    if (cannot_erase) return absl::ResourceExhaustedError("the disk is full");
    ++num_erased;
    return table_->EraseTraces();
  }
  absl::Status BackupTo(const std::string& path) override {
    if (is_cut_) return Cut();
    return table_->BackupTo(path);
  }

  bool is_cut() const { return is_cut_; }

  // Called before each Read, and each Commit, if set.
  std::function<void()> on_read;
  std::function<void()> on_commit;

  // Whether traces cannot be erased, and how often they were.
  bool cannot_erase = false;
  int num_erased = 0;

 private:
  absl::Status Cut() {
    is_cut_ = true;
    return absl::UnavailableError("killed");
  }

  const std::unique_ptr<ComparisonTable> table_;
  int num_commits_left_;
  bool is_cut_ = false;
};

}  // namespace rlhf
