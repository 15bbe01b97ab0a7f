// How the report's page looks.
#pragma once

#include <string>

namespace rlhf {

// A style sheet: light, dark, narrow and on paper. It fetches nothing.
std::string PageStyle();

}  // namespace rlhf
