#include "core/telemetry/work_lane.h"

#include <limits>
#include <utility>

namespace rlhf {

WorkLane::WorkLane(const Options& options) : max_waiting_(options.max_waiting) {
  for (int i = 0; i < options.num_threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkLane::~WorkLane() { Finish(); }

bool WorkLane::TryAdd(Work work) { return Add(std::move(work), max_waiting_); }

bool WorkLane::AddNext(Work work) {
  return Add(std::move(work), std::numeric_limits<size_t>::max());
}

bool WorkLane::Add(Work work, size_t max_waiting) {
  MutexLock lock(&mutex_);
  if (is_closed_ || waiting_.size() >= max_waiting) return false;
  waiting_.push_back(std::move(work));
  changed_.SignalAll();
  return true;
}

void WorkLane::Close() {
  MutexLock lock(&mutex_);
  is_closed_ = true;
  changed_.SignalAll();
}

bool WorkLane::is_closed() const {
  MutexLock lock(&mutex_);
  return is_closed_;
}

void WorkLane::Finish() {
  Close();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void WorkLane::Run() {
  while (true) {
    Work work;
    {
      MutexLock lock(&mutex_);
      while (waiting_.empty() && !is_closed_) changed_.Wait(&mutex_);
      if (waiting_.empty()) return;
      work = std::move(waiting_.front());
      waiting_.pop_front();
    }
    work();
  }
}

}  // namespace rlhf
