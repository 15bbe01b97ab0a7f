#include "core/telemetry/work_lane.h"

#include <utility>

namespace rlhf {

WorkLane::WorkLane(const Options& options) : max_waiting_(options.max_waiting) {
  for (int i = 0; i < options.num_threads; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

WorkLane::~WorkLane() { Finish(); }

bool WorkLane::TryAdd(Work work) {
  MutexLock lock(&mutex_);
  if (is_closed_ || num_new_ >= max_waiting_) return false;
  waiting_.push_back({std::move(work), /*is_new=*/true});
  ++num_new_;
  changed_.SignalAll();
  return true;
}

bool WorkLane::AddNext(Work work) {
  MutexLock lock(&mutex_);
  if (is_closed_) return false;
  waiting_.push_back({std::move(work)});
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
    Step step;
    {
      MutexLock lock(&mutex_);
      while (waiting_.empty() && !is_closed_) changed_.Wait(&mutex_);
      if (waiting_.empty()) return;
      step = std::move(waiting_.front());
      waiting_.pop_front();
      if (step.is_new) --num_new_;
    }
    step.work();
  }
}

}  // namespace rlhf
