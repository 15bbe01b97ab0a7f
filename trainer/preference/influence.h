// Which comparisons a preference model learned most from, for better or worse.
//
// The measure is TracIn (Pruthi et al. 2020, arXiv:2002.08484) at the model's
// last state and for its score head alone ("TracInCP, last layer"): the product
// of the gradients of a training pair's loss and of the mean held-out loss. It
// is the amount by which one more small step on the pair would lower the held-
// out loss, per unit of learning rate; negative: raise it. What the trunk would
// learn is not in it, nor how much the pair mattered earlier, and no curvature
// is divided by, as in influence functions (Koh & Liang 2017,
// arXiv:1703.04730). It ranks comparisons for people to look at, and decides
// nothing.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "core/nn/transformer.h"
#include "trainer/preference/pm_trainer.h"

namespace rlhf {

struct PairInfluence {
  // As above; nats per unit of learning rate.
  double score = 0;
  // What the model thinks of the pair, chosen minus rejected, log-odds.
  double margin = 0;
};

// One for each of `training`, in order, with their loss weights, temperatures
// and offsets. `micro_batch_tokens` bounds memory, not results.
//
// Errors: InvalidArgument if nothing is held out, for an empty dialogue or an
// id outside the vocabulary; Internal if a score is not finite.
absl::StatusOr<std::vector<PairInfluence>> InfluenceOnHeldOut(
    const Transformer& model, const std::vector<PmExample>& training,
    const std::vector<PmExample>& held_out, int64_t micro_batch_tokens);

}  // namespace rlhf
