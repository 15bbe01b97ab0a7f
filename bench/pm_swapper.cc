#include "bench/pm_swapper.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/status_macros.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_status.h"

namespace rlhf {
namespace {

// Far less than a server takes to look at its registry again.
constexpr absl::Duration kPause = absl::Milliseconds(20);

}  // namespace

PmSwapper::PmSwapper(const std::string& registry, const std::string& address)
    : registry_(registry),
      admin_(v1::RewardAdmin::NewStub(MakeChannel(address))) {}

absl::Status PmSwapper::SwapTo(int64_t version, absl::Duration timeout) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                        registry_.Alias("serving"));
  RLHF_RETURN_IF_ERROR(
      registry_.Promote(version, serving, {"score_load", "a benchmark"}));
  const absl::Time deadline = MonotonicNow() + timeout;
  while (true) {
    v1::RewardStatus status;
    const auto context = ContextWithDeadline(timeout);
    RLHF_RETURN_IF_ERROR(FromGrpcStatus(admin_->GetStatus(
        context.get(), v1::GetRewardStatusRequest(), &status)));
    if (status.serving().version() == version) return absl::OkStatus();
    if (MonotonicNow() > deadline) {
      return absl::DeadlineExceededError(absl::StrCat(
          "PM ", version, " does not serve ", absl::FormatDuration(timeout),
          " after its promotion; ", status.load_error()));
    }
    absl::SleepFor(kPause);
  }
}

absl::Status PmSwapper::SwapAround(int count, absl::Duration timeout_each) {
  const std::vector<int64_t> versions = registry_.Versions();
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> serving,
                        registry_.Alias("serving"));
  if (versions.size() < 2 || !serving.has_value()) {
    return absl::FailedPreconditionError(
        absl::StrCat(versions.size(),
                     " PMs are published; wanted two or more, one serving"));
  }
  size_t at = static_cast<size_t>(
      std::find(versions.begin(), versions.end(), *serving) - versions.begin());
  for (int i = 0; i < count; ++i) {
    at = (at + 1) % versions.size();
    RLHF_RETURN_IF_ERROR(SwapTo(versions[at], timeout_each));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
