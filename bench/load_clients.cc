#include "bench/load_clients.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <thread>

#include "core/base/clock.h"

namespace rlhf {

LoadResult RunClients(
    int num_clients, const std::function<bool(int64_t number)>& go_on,
    const std::function<absl::StatusOr<Scored>(int client, int64_t number)>&
        call) {
  std::vector<std::vector<LoadCall>> by_client(
      static_cast<size_t>(num_clients));
  std::atomic<int64_t> next = 0;
  const Stopwatch watch;
  {
    std::vector<std::jthread> threads;
    for (int client = 0; client < num_clients; ++client) {
      threads.emplace_back([&, client] {
        for (int64_t number = next++; go_on(number); number = next++) {
          const Stopwatch one;
          auto answer = call(client, number);
          by_client[static_cast<size_t>(client)].push_back(
              {number, one.seconds(), std::move(answer)});
        }
      });
    }
  }
  LoadResult result = {.seconds = watch.seconds()};
  for (auto& calls : by_client) {
    for (LoadCall& one : calls) result.calls.push_back(std::move(one));
  }
  std::sort(result.calls.begin(), result.calls.end(),
            [](const auto& a, const auto& b) { return a.number < b.number; });
  return result;
}

double Quantile(const std::vector<double>& sorted, double share) {
  if (sorted.empty()) return 0;
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  const auto index = static_cast<size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(index, sorted.size() - 1)];
}

}  // namespace rlhf
