#include "actor/cache_shape.h"

#include <algorithm>

#include "core/base/check.h"

namespace rlhf {

CacheShape CutCache(int64_t total_tokens, int64_t longest, int64_t max_rows) {
  constexpr int64_t kStep = 64;
  RLHF_CHECK(longest > 0 && longest <= total_tokens) << longest;
  const int64_t tokens =
      std::min((longest + kStep - 1) / kStep * kStep, total_tokens);
  return {.rows = std::min(max_rows, total_tokens / tokens), .tokens = tokens};
}

}  // namespace rlhf
