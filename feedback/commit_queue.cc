#include "feedback/commit_queue.h"

#include <utility>

namespace rlhf {

CommitQueue::CommitQueue(size_t max_comparisons, Committer commit)
    : max_comparisons_(max_comparisons), commit_(std::move(commit)) {}

void CommitQueue::Commit(AppendRequest* request) {
  Waiter self = {.request = request};
  std::vector<AppendRequest*> group;
  {
    MutexLock lock(&mutex_);
    waiters_.push_back(&self);
    while (!self.done && waiters_.front() != &self) self.wake.Wait(&mutex_);
    if (self.done) return;
    group = NextGroup();
  }
  commit_(group);
  MutexLock lock(&mutex_);
  Finish(group.size());
}

size_t CommitQueue::num_waiting() const {
  MutexLock lock(&mutex_);
  return waiters_.size();
}

std::vector<AppendRequest*> CommitQueue::NextGroup() const {
  std::vector<AppendRequest*> group;
  size_t num_comparisons = 0;
  for (const Waiter* waiter : waiters_) {
    num_comparisons += waiter->request->comparisons.size();
    if (!group.empty() && num_comparisons > max_comparisons_) break;
    group.push_back(waiter->request);
  }
  return group;
}

void CommitQueue::Finish(size_t num_requests) {
  for (size_t i = 0; i < num_requests; ++i) {
    // Once the lock is released the waiter may be gone.
    waiters_.front()->done = true;
    waiters_.front()->wake.SignalAll();
    waiters_.pop_front();
  }
  if (!waiters_.empty()) waiters_.front()->wake.SignalAll();
}

}  // namespace rlhf
