// What `rlhf top` shows: a run at a glance. Pure.
#pragma once

#include <string>
#include <vector>

#include "cli/top_look.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// At most `width` columns and `height` lines; the processes that do not fit are
// counted in the last line.
std::vector<std::string> RenderTop(const v1::RunConfig& config,
                                   const TopHistory& history, int width,
                                   int height);

// The same in one line: "00:20:01 update 7/24 …".
std::string TopLine(const TopHistory& history);

}  // namespace rlhf
