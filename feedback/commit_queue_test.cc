#include "feedback/commit_queue.h"

#include <atomic>
#include <thread>
#include <vector>

#include "core/base/mutex.h"
#include "gtest/gtest.h"

namespace rlhf {
namespace {

// Lets the first commit begin only when told, and counts what each one gets.
class Committer {
 public:
  void Commit(absl::Span<AppendRequest* const> requests) {
    MutexLock lock(&mutex_);
    sizes_.push_back(requests.size());
    changed_.SignalAll();
    while (!open_) changed_.Wait(&mutex_);
    for (AppendRequest* const request : requests) {
      request->result = std::vector<AppendedComparison>(
          request->comparisons.size(), {.seq = ++num_committed_});
    }
  }
  void WaitUntilCalled() {
    MutexLock lock(&mutex_);
    while (sizes_.empty()) changed_.Wait(&mutex_);
  }
  void Open() {
    MutexLock lock(&mutex_);
    open_ = true;
    changed_.SignalAll();
  }
  std::vector<size_t> sizes() {
    MutexLock lock(&mutex_);
    return sizes_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<size_t> sizes_ ABSL_GUARDED_BY(mutex_);
  int64_t num_committed_ ABSL_GUARDED_BY(mutex_) = 0;
};

class CommitQueueTest : public ::testing::Test {
 protected:
  // Starts `num` threads that each commit `size` comparisons.
  void Start(CommitQueue& queue, int num, size_t size) {
    for (int i = 0; i < num; ++i) {
      threads_.emplace_back([this, &queue, size] {
        const std::vector<v1::Comparison> comparisons(size);
        AppendRequest request = {.comparisons = comparisons};
        queue.Commit(&request);
        if (request.result.ok()) ++num_done_;
      });
    }
  }
  Committer committer_;
  std::atomic<int> num_done_ = 0;
  std::vector<std::jthread> threads_;
};

TEST_F(CommitQueueTest, WhatComesDuringACommitSharesTheNext) {
  CommitQueue queue(100, [this](absl::Span<AppendRequest* const> requests) {
    committer_.Commit(requests);
  });
  Start(queue, 1, 1);
  committer_.WaitUntilCalled();
  Start(queue, 10, 1);
  while (queue.num_waiting() < 11) std::this_thread::yield();
  committer_.Open();
  threads_.clear();

  EXPECT_EQ(num_done_, 11);
  EXPECT_EQ(committer_.sizes(), (std::vector<size_t>{1, 10}));
}

TEST_F(CommitQueueTest, GroupsAreBoundedByTheirComparisons) {
  CommitQueue queue(100, [this](absl::Span<AppendRequest* const> requests) {
    committer_.Commit(requests);
  });
  Start(queue, 1, 1);
  committer_.WaitUntilCalled();
  // 40 + 40 fit, a third does not; more than the bound goes alone.
  Start(queue, 3, 40);
  while (queue.num_waiting() < 4) std::this_thread::yield();
  Start(queue, 1, 500);
  while (queue.num_waiting() < 5) std::this_thread::yield();
  committer_.Open();
  threads_.clear();

  EXPECT_EQ(num_done_, 5);
  EXPECT_EQ(committer_.sizes(), (std::vector<size_t>{1, 2, 1, 1}));
}

}  // namespace
}  // namespace rlhf
