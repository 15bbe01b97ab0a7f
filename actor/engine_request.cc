#include "actor/engine_request.h"

#include <algorithm>

namespace rlhf {

std::vector<VersionRun> VersionsBetween(const std::vector<VersionRun>& runs,
                                        int64_t begin, int64_t end) {
  std::vector<VersionRun> between;
  int64_t first = 0;
  for (const VersionRun& run : runs) {
    const int64_t last = first + run.num_tokens;
    const int64_t size = std::min(last, end) - std::max(first, begin);
    if (size > 0) between.push_back({run.version, size});
    first = last;
  }
  return between;
}

}  // namespace rlhf
