// Numbers for people.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace rlhf {

// "42 s", "3 min 05 s", "2 h 07 min".
inline std::string HumanSeconds(double seconds) {
  const int64_t s = std::llround(seconds);
  if (s < 60) return absl::StrCat(s, " s");
  if (s < 3600) return absl::StrFormat("%d min %02d s", s / 60, s % 60);
  return absl::StrFormat("%d h %02d min", s / 3600, s % 3600 / 60);
}

// "12 MiB", "1.50 GiB".
inline std::string HumanBytes(int64_t bytes) {
  constexpr double kMiB = 1 << 20;
  const double mib = static_cast<double>(bytes) / kMiB;
  return mib < 1024 ? absl::StrFormat("%.0f MiB", mib)
                    : absl::StrFormat("%.2f GiB", mib / 1024);
}

}  // namespace rlhf
