#include "trainer/parameter_hash.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/zeros.h>

#include "absl/strings/str_format.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

uint64_t Hash(const NamedTensors& parameters) {
  uint64_t hash = 0;
  for (const NamedTensor& parameter : parameters) {
    const at::Tensor data = parameter.tensor.detach().to(at::kCPU).contiguous();
    const absl::string_view bytes(
        static_cast<const char*>(data.const_data_ptr()), data.nbytes());
    hash = MixHash(MixHash(hash, Xxh3(parameter.name)), Xxh3(bytes));
  }
  return hash;
}

}  // namespace

std::string ParameterHash(const NamedTensors& parameters) {
  return absl::StrFormat("%016x", Hash(parameters));
}

absl::StatusOr<std::string> ParameterHashOfShares(const NamedTensors& share,
                                                  Communicator& communicator) {
  // Each rank has zeros where another has its hash.
  const at::Tensor hash_of_rank =
      at::zeros({communicator.world_size()}, at::TensorOptions(at::kLong));
  hash_of_rank[communicator.rank()].fill_(static_cast<int64_t>(Hash(share)));
  RLHF_RETURN_IF_ERROR(communicator.AllReduceSum({hash_of_rank}));
  return ParameterHash({{"shares", hash_of_rank}});
}

}  // namespace rlhf
