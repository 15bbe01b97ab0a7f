// Rounds of a study, on all cores.
#pragma once

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

namespace rlhf {

// Calls `round(i)` for each i in [0, count), every core at one of them, and
// returns when all are done. What a round leaves must have a place of its own.
template <typename Round>
void RunRounds(int count, const Round& round) {
  const int cores =
      std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  std::atomic<int> next = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < std::min(count, cores); ++i) {
    threads.emplace_back([&] {
      for (int mine = next++; mine < count; mine = next++) round(mine);
    });
  }
}

}  // namespace rlhf
