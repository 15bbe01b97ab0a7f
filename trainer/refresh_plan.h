// When the next PM is trained. Pure.
#pragma once

#include <cstdint>

#include "rlhf/v1/config.pb.h"

namespace rlhf {

// The size of the comparison log at which the next refresh is due, after one on
// its first `trained_on` comparisons (0: none yet). 0 means never again.
int64_t NextRefreshAt(const v1::PreferenceConfig& config, int64_t trained_on);

}  // namespace rlhf
