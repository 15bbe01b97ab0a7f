// How the samples of a batch are divided into optimizer steps.
#pragma once

#include <cstdint>
#include <vector>

namespace rlhf {

// Puts `samples` into an order that follows from `key` and cuts it into `count`
// minibatches of nearly one size, or as many as there are samples.
std::vector<std::vector<int64_t>> CutIntoMinibatches(
    std::vector<int64_t> samples, int64_t count, uint64_t key);

}  // namespace rlhf
