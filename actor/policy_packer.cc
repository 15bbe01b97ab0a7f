#include "actor/policy_packer.h"

#include <utility>

namespace rlhf {

std::shared_ptr<const Transformer> PolicyPacker::Pack(Transformer model) {
  std::shared_ptr<const Transformer> ready =
      ForGeneration(std::move(model), /*int8=*/false, std::move(memory_));
  memory_ = ready->packed_memory();
  return ready;
}

}  // namespace rlhf
