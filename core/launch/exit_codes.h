// Exit codes that mean something to whoever started a process of this project.
#pragma once

namespace rlhf {

// The caller's mistake: a flag, a run file, an environment. To start it again
// does not help.
inline constexpr int kCallersMistake = 2;

// This rank of a learner ended because another one failed. The group may be
// started again as it is.
inline constexpr int kAnotherRankFailed = 4;

}  // namespace rlhf
