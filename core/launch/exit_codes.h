// Exit codes that mean something to whoever started a process of this project.
#pragma once

namespace rlhf {

// The caller's mistake: a flag, a run file, an environment. To start it again
// does not help.
inline constexpr int kCallersMistake = 2;

// This rank of a learner ended because another one failed. The group may be
// started again as it is.
inline constexpr int kAnotherRankFailed = 4;

// A signal asked it to stop before its work was done, and it saved what it had.
// Not 0, which would tell a Job of Kubernetes that the run is finished. Started
// again, it goes on.
inline constexpr int kStoppedEarly = 5;

}  // namespace rlhf
