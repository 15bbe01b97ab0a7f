// Makes versions of the policy ready to sample, one after the other in the same
// memory: a host has no second copy of the packed weights, and no pages to
// make, when a version comes.
#pragma once

#include <memory>

#include "core/base/huge_buffer.h"
#include "core/nn/transformer.h"

namespace rlhf {

// Not thread-safe.
class PolicyPacker {
 public:
  // `model` as ForGeneration gives it. Overwrites the weights of the model that
  // the last call returned, which must compute nothing any more.
  std::shared_ptr<const Transformer> Pack(Transformer model);

 private:
  std::shared_ptr<HugeBuffer> memory_;
};

}  // namespace rlhf
