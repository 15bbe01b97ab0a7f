// Which builds run here.
#pragma once

#include <string>

namespace rlhf {

// Two lines: rlhf with its revision, and the libraries that it is built with.
std::string VersionText();

}  // namespace rlhf
