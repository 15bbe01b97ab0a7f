// What every simulation is made of: virtual time, chance, faults and the first
// rule that was broken. One thread; a run follows from its seed alone.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace rlhf {

// How often each kind of fault struck and each answer was given.
using Counts = std::map<std::string, int64_t>;

class Simulation {
 public:
  // `fault_share`: of the moments at which a fault may strike, those at which
  // it does.
  Simulation(uint64_t seed, double fault_share)
      : random_(seed), fault_share_(fault_share) {}
  virtual ~Simulation() = default;
  Simulation(const Simulation&) = delete;
  Simulation& operator=(const Simulation&) = delete;

  // Runs to the end, or to the first violation, which it returns; empty if
  // there was none.
  virtual std::string Run() = 0;

  int64_t num_events() const { return num_events_; }
  const Counts& seen() const { return seen_; }

 protected:
  // --- Chance, both bounds included.

  int64_t Int(int64_t low, int64_t high) {
    const auto size = static_cast<uint64_t>(high - low) + 1;
    return low + static_cast<int64_t>(random_() % size);
  }
  double Real(double low, double high) {
    return low + (high - low) * static_cast<double>(random_() >> 11) * 0x1p-53;
  }
  // Whether a fault strikes here.
  bool Fault(const char* kind) {
    if (Real(0, 1) >= fault_share_ || !faults_strike_) return false;
    ++seen_[kind];
    ++num_faults_;
    return true;
  }
  // Whether any may: what takes long has to end once none does.
  void SetFaultsStrike(bool strike) { faults_strike_ = strike; }
  int64_t num_faults() const { return num_faults_; }
  void Count(const std::string& what, int64_t times = 1) {
    seen_[what] += times;
  }

  // --- Time, in virtual seconds.

  double now() const { return now_; }
  void After(double delay, std::function<void()> run) {
    events_.push_back({now_ + delay, num_scheduled_++, std::move(run)});
    std::push_heap(events_.begin(), events_.end());
  }
  // Runs the next event; false if there is none. Those of one moment run in the
  // order in which they were scheduled.
  bool RunNextEvent() {
    if (events_.empty()) return false;
    std::pop_heap(events_.begin(), events_.end());
    const Event event = std::move(events_.back());
    events_.pop_back();
    now_ = event.time;
    ++num_events_;
    event.run();
    return true;
  }

 private:
  struct Event {
    double time;
    int64_t order;
    std::function<void()> run;
    // For a heap whose first is the earliest.
    bool operator<(const Event& other) const {
      return std::pair(time, order) > std::pair(other.time, other.order);
    }
  };

  std::mt19937_64 random_;
  const double fault_share_;
  bool faults_strike_ = true;
  int64_t num_faults_ = 0;
  Counts seen_;
  double now_ = 0;
  std::vector<Event> events_;
  int64_t num_scheduled_ = 0;
  int64_t num_events_ = 0;
};

}  // namespace rlhf
