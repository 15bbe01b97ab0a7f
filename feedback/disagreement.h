// Which pairs of responses the members of a PM disagree about: an answer to
// such a pair tells the next PM most (query by committee, Seung, Opper and
// Sompolinsky 1992).
#pragma once

#include <cstddef>
#include <vector>

#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// For each pair, the standard deviation over the members of the margin, score
// of the first response less that of the second. The members scored dialogues
// 2i and 2i + 1 for pair i. Zeros if there are fewer than two members.
std::vector<double> MarginSpreads(const std::vector<v1::MemberScores>& members,
                                  size_t num_pairs);

// The places of the `num_kept` largest values (or all), in rising order; of
// equal ones the first.
std::vector<size_t> LargestPlaces(const std::vector<double>& values,
                                  size_t num_kept);

}  // namespace rlhf
