// How fast ranks reach one another, and what to make of it. Pure.
#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "cli/doctor/finding.h"
#include "core/rpc/protocol.h"

namespace rlhf {

struct RankPlace {
  std::string host;
  Build build;
};

struct LinkFigures {
  // Each way, both at once.
  double bytes_per_s = 0;
  double round_trip_s = 0;
  // How far the second's clock is ahead of the first's, to within so much.
  double clock_ahead_s = 0;
  double clock_uncertainty_s = 0;
};

struct PairFigures {
  // Of ranks, first < second.
  int first = 0, second = 0;
  LinkFigures link = {};
};

struct AllReduceFigures {
  int64_t bytes = 0;
  double seconds = 0;

  // What each of `ranks` sends.
  double sent_bytes_per_s(size_t ranks) const {
    const auto n = static_cast<double>(ranks);
    return 2 * (n - 1) / n * static_cast<double>(bytes) / seconds;
  }
};

struct RanksFigures {
  // "Gloo" or "NCCL", of the all-reduce.
  std::string backend;
  std::vector<RankPlace> places = {};  // by rank
  std::vector<PairFigures> pairs = {};
  // Ascending in size.
  std::vector<AllReduceFigures> all_reduces = {};
};

// Of at least two ranks: all builds against rank 0's, clocks against rank 0's,
// the slowest pair, the all-reduce.
Findings JudgeRanks(const RanksFigures& ranks);

// The slowest pairs first, and how many are left out.
void PrintPairs(const RanksFigures& ranks, std::ostream& out);

// {"pairs": [{"first": 0, …}, …], "all_reduces": […]}
Json ToJson(const RanksFigures& ranks);

}  // namespace rlhf
