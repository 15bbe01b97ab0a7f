// Runs a simulation with many seeds.
//
//   RLHF_SIMULATOR_SEED=17      only this seed: what a failure prints
//   RLHF_SIMULATOR_SEEDS=100000 so many, for a night
#pragma once

#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "gtest/gtest.h"
#include "tests/simulator/simulation.h"

namespace rlhf {

using MakeSimulation =
    std::function<std::unique_ptr<Simulation>(uint64_t seed)>;

inline std::optional<uint64_t> FromEnvironment(const char* name) {
  const char* const text = std::getenv(name);
  if (text == nullptr) return std::nullopt;
  uint64_t number = 0;
  EXPECT_TRUE(absl::SimpleAtoi(text, &number)) << name << "=" << text;
  return number;
}

// The rate is of processor time, so that neighbours on the machine do not
// change it.
class EventRate {
 public:
  double PerSecond(int64_t num_events) const {
    const double seconds =
        static_cast<double>(std::clock() - begin_) / CLOCKS_PER_SEC;
    return static_cast<double>(num_events) / std::max(seconds, 1e-9);
  }

 private:
  const std::clock_t begin_ = std::clock();
};

// Runs seeds from 1 on, and fails with the first that breaks a rule or is too
// short to have tried any. Returns what all of them saw.
inline Counts RunSeeds(uint64_t num_seeds, const MakeSimulation& make,
                       int64_t min_events) {
  Counts seen;
  const auto only = FromEnvironment("RLHF_SIMULATOR_SEED");
  const uint64_t first = only.value_or(1);
  const uint64_t last = only.value_or(
      FromEnvironment("RLHF_SIMULATOR_SEEDS").value_or(num_seeds));
  int64_t num_events = 0;
  const EventRate rate;
  for (uint64_t seed = first; seed <= last; ++seed) {
    const std::unique_ptr<Simulation> simulation = make(seed);
    const std::string violation = simulation->Run();
    num_events += simulation->num_events();
    EXPECT_EQ(violation, "") << "again with RLHF_SIMULATOR_SEED=" << seed;
    EXPECT_GE(simulation->num_events(), min_events) << "seed " << seed;
    if (testing::Test::HasFailure()) return seen;
    for (const auto& [what, count] : simulation->seen()) seen[what] += count;
  }
  std::cout << absl::StrFormat("%d seeds, %d events, %.0f events/s\n",
                               last - first + 1, num_events,
                               rate.PerSecond(num_events));
  return seen;
}

// What the first of `num_seeds` seeds that breaks a rule breaks; empty if none
// does.
inline std::string FirstViolation(uint64_t num_seeds,
                                  const MakeSimulation& make) {
  for (uint64_t seed = 1; seed <= num_seeds; ++seed) {
    std::string violation = make(seed)->Run();
    if (!violation.empty()) {
      std::cout << "seed " << seed << ": " << violation << "\n";
      return violation;
    }
  }
  return "";
}

}  // namespace rlhf
