#include "trainer/parameter_hash.h"

#include "absl/strings/str_format.h"
#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {

std::string ParameterHash(const NamedTensors& parameters) {
  uint64_t hash = 0;
  for (const NamedTensor& parameter : parameters) {
    RLHF_CHECK(parameter.tensor.is_contiguous()) << parameter.name;
    const at::Tensor data = parameter.tensor.detach().to(at::kCPU);
    const absl::string_view bytes(
        static_cast<const char*>(data.const_data_ptr()), data.nbytes());
    hash = MixHash(MixHash(hash, Xxh3(parameter.name)), Xxh3(bytes));
  }
  return absl::StrFormat("%016x", hash);
}

}  // namespace rlhf
