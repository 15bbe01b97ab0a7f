// Many clients at once, each of which makes one call after the other.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"

namespace rlhf {

// What a call was answered: scores, and the version of the PM that gave them (0
// where the server does not tell).
struct Scored {
  std::vector<float> scores;
  int64_t pm_version = 0;
};

struct LoadCall {
  int64_t number = 0;
  double seconds = 0;
  absl::StatusOr<Scored> answer;
};

struct LoadResult {
  double seconds = 0;
  std::vector<LoadCall> calls;  // by number
};

// Makes calls 0, 1, 2, … as long as `go_on` allows, asked before each, on
// `num_clients` threads: whoever is free makes the next. Both functions are
// called on all of them; `call` gets the client, from 0, and the number.
LoadResult RunClients(
    int num_clients, const std::function<bool(int64_t number)>& go_on,
    const std::function<absl::StatusOr<Scored>(int client, int64_t number)>&
        call);

// Of sorted numbers, 0 for none: the smallest that a `share` of them does not
// exceed.
double Quantile(const std::vector<double>& sorted, double share);

}  // namespace rlhf
