// What a learner does with the time between SIGTERM and SIGKILL.
#pragma once

#include "absl/time/time.h"

namespace rlhf {

struct PreemptionView {
  absl::Time now;
  // When the process was asked to stop; InfiniteFuture if it was not.
  absl::Time asked = absl::InfiniteFuture();
  // From then on it may still live so long.
  absl::Duration grace;
  // The update under way: since when, and how long it should take (0 if that is
  // not known).
  absl::Time update_started;
  absl::Duration expected_update;
  // How long writing a checkpoint should take.
  absl::Duration expected_save;
};

// Whether to give the update up: it would not end early enough for a checkpoint
// to be written within the grace. Its batch is in the journal, so nothing but
// time is lost.
bool ShouldGiveUp(const PreemptionView& view);

}  // namespace rlhf
