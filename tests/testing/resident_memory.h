// What this process holds of the machine's memory, for tests of leaks.
#pragma once

#include <unistd.h>

#include <cinttypes>
#include <cstdint>
#include <cstdio>

#include "core/base/check.h"

namespace rlhf {

// Whether freed memory stays resident, because a sanitizer keeps it.
constexpr bool FreedMemoryStays() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

inline int64_t ResidentBytes() {
  std::FILE* const statm = std::fopen("/proc/self/statm", "r");
  RLHF_CHECK(statm != nullptr);
  int64_t total = 0, resident = 0;
  const int count =
      std::fscanf(statm, "%" SCNd64 " %" SCNd64, &total, &resident);
  std::fclose(statm);
  RLHF_CHECK(count == 2);
  return resident * ::sysconf(_SC_PAGESIZE);
}

}  // namespace rlhf
