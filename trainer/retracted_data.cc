#include "trainer/retracted_data.h"

#include <algorithm>
#include <vector>

#include "absl/time/time.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {

int64_t CountRetractedSince(const v1::DataSnapshot& data,
                            absl::Span<const v1::Retraction> retractions) {
  return std::count_if(
      retractions.begin(), retractions.end(), [&](const v1::Retraction& one) {
        // Less than 1: of no comparison.
        return one.seq() >= 1 && one.replaced_by() == 0 &&
               !one.taught_nothing() && one.seq() <= data.last_seq() &&
               one.number() > data.num_retractions();
      });
}

absl::StatusOr<int64_t> AskRetractedSince(const v1::DataSnapshot& data,
                                          v1::Store::Stub& store) {
  const auto context = ContextWithDeadline(absl::Seconds(30));
  const auto reader = store.ListRetractions(context.get(), {});
  std::vector<v1::Retraction> retractions;
  for (v1::Retraction one; reader->Read(&one);) retractions.push_back(one);
  RLHF_RETURN_IF_ERROR(FromGrpcStatus(reader->Finish()));
  return CountRetractedSince(data, retractions);
}

absl::StatusOr<int64_t> WaitForRetractedSince(const v1::DataSnapshot& data,
                                              v1::Store::Stub& store) {
  constexpr absl::Duration kInterval = absl::Milliseconds(500);
  while (true) {
    const absl::StatusOr<int64_t> count = AskRetractedSince(data, store);
    const bool again = absl::IsUnavailable(count.status()) ||
                       absl::IsDeadlineExceeded(count.status());
    if (!again || WaitForShutdown(kInterval)) return count;
  }
}

}  // namespace rlhf
