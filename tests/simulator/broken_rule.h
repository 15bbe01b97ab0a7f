// Which rule of the copies that break_rules.py makes is broken now.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace rlhf {

// Empty: none, and the copies do what their originals do.
inline std::string& BrokenRule() {
  static std::string rule;
  return rule;
}

inline bool IsBroken(absl::string_view rule) { return BrokenRule() == rule; }

}  // namespace rlhf
