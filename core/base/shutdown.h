// SIGTERM and SIGINT as a flag that can be waited for: the process drains,
// saves and ends by itself. A second signal ends it at once.
#pragma once

#include "absl/time/time.h"

namespace rlhf {

// Installs the handlers. For programs that look at ShutdownRequested: whoever
// does not is better ended by the signal itself. Call before any thread starts.
void InstallShutdownHandler();

// True once a signal came (or RequestShutdown was called). Thread-safe.
bool ShutdownRequested();

// When that was, by MonotonicNow; InfiniteFuture before it. Thread-safe.
absl::Time ShutdownTime();

// Asks this process to stop, as a signal would. Thread-safe.
void RequestShutdown();

// Blocks until shutdown is requested or `timeout` passed; returns
// ShutdownRequested(). This is how loops pause between two looks at the world.
bool WaitForShutdown(absl::Duration timeout);

}  // namespace rlhf
