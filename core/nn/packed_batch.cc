#include "core/nn/packed_batch.h"

#include <ATen/ops/empty.h>

#include "core/base/check.h"

namespace rlhf {

PackedBatch Pack(absl::Span<const std::vector<int32_t>> sequences,
                 at::Device device) {
  RLHF_CHECK(!sequences.empty());
  PackedBatch batch;
  int64_t total = 0;
  for (const std::vector<int32_t>& sequence : sequences) {
    RLHF_CHECK(!sequence.empty());
    batch.lengths.push_back(static_cast<int64_t>(sequence.size()));
    total += batch.lengths.back();
  }
  at::Tensor tokens = at::empty({total}, at::TensorOptions(at::kLong));
  at::Tensor positions = at::empty({total}, at::TensorOptions(at::kLong));
  int64_t* token = tokens.mutable_data_ptr<int64_t>();
  int64_t* position = positions.mutable_data_ptr<int64_t>();
  for (const std::vector<int32_t>& sequence : sequences) {
    for (size_t i = 0; i < sequence.size(); ++i) {
      *token++ = sequence[i];
      *position++ = static_cast<int64_t>(i);
    }
  }
  batch.token_T = tokens.to(device);
  batch.position_T = positions.to(device);
  return batch;
}

}  // namespace rlhf
