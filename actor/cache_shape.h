// How the memory for keys and values is cut into rows. Pure.
#pragma once

#include <cstdint>

namespace rlhf {

struct CacheShape {
  int64_t rows = 0;
  int64_t tokens = 0;  // in each row
};

// Rows that hold `longest` tokens each, rounded up so that the next sequence
// that is a little longer fits too; as many as `total_tokens` allow, at most
// `max_rows`. At least one, as `longest` <= `total_tokens` (dies otherwise).
CacheShape CutCache(int64_t total_tokens, int64_t longest, int64_t max_rows);

}  // namespace rlhf
