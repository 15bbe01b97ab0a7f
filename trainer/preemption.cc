#include "trainer/preemption.h"

#include <algorithm>

namespace rlhf {

bool ShouldGiveUp(const PreemptionView& view) {
  if (view.asked == absl::InfiniteFuture()) return false;
  // A disk may be slower than last time, and the services must end too.
  const absl::Duration reserve = std::min(
      view.grace / 2, 2 * view.expected_save + absl::Milliseconds(500));
  const absl::Time deadline = view.asked + view.grace - reserve;
  return std::max(view.now, view.update_started + view.expected_update) >=
         deadline;
}

}  // namespace rlhf
