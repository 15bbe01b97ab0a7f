// The dtypes of a run file, as LibTorch names them.
#pragma once

#include <c10/core/ScalarType.h>

#include "rlhf/v1/config.pb.h"

namespace rlhf {

inline at::ScalarType ScalarTypeOf(v1::Dtype dtype) {
  return dtype == v1::BFLOAT16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace rlhf
