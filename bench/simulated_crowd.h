// A simulated crowd and small preference models, for studies that train many.
//
// The crowd compares random token sequences: each token has a worth, a sequence
// the sum, and a worker prefers the worthier one with the probability that
// Bradley and Terry give, so that workers agree with the truth in about three
// of four cases. PMs are transformers of one layer of width 32, trained as the
// refresher trains them. Everything follows from the seeds.
#pragma once

#include <cstdint>
#include <vector>

#include "core/nn/transformer.h"
#include "trainer/preference/pm_measurement.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

// In [0, 1).
double Uniform(uint64_t key);

// Log-odds: what a worker's choice follows.
double Worth(const std::vector<int32_t>& tokens);

// `count` comparisons, each with a prompt of its own; a share `flipped` says
// the opposite of what it would.
std::vector<PmExample> Crowd(int64_t count, uint64_t seed, double flipped);

// With random weights and a score head of zeros.
Transformer SmallPm();

PmTrainerOptions StudyTraining(uint64_t seed);

// What a small PM that learned from `training` says of `held_out`.
std::vector<MeasuredPair> TrainAndScore(const std::vector<PmExample>& training,
                                        const std::vector<PmExample>& held_out,
                                        uint64_t seed);

}  // namespace rlhf
