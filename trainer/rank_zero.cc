#include "trainer/rank_zero.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/run_beside.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kStillWaiting[] = "w";
constexpr char kFailed[] = "failed: ";

constexpr absl::Duration kKeepAliveInterval = absl::Milliseconds(300);

}  // namespace

absl::Status KeepOthersWaiting(Communicator& communicator) {
  std::string waiting = kStillWaiting;
  return communicator.BroadcastBytes(waiting);
}

absl::Status WhileOthersWait(Communicator& communicator,
                             const std::function<absl::Status()>& work) {
  if (communicator.world_size() == 1) return work();
  absl::Status told;
  absl::Status status = RunBeside(work, kKeepAliveInterval, [&] {
    if (told.ok()) told = KeepOthersWaiting(communicator);
  });
  status.Update(told);
  return status;
}

absl::StatusOr<std::string> TellOthers(Communicator& communicator,
                                       absl::StatusOr<std::string> word) {
  // The others must hear of the end, whatever its reason.
  std::string told =
      word.ok() ? *word : absl::StrCat(kFailed, word.status().message());
  absl::Status status = word.status();
  status.Update(communicator.BroadcastBytes(told));
  RLHF_RETURN_IF_ERROR(status);
  return word;
}

absl::StatusOr<std::string> WaitForRankZero(Communicator& communicator) {
  std::string bytes;
  do {
    RLHF_RETURN_IF_ERROR(communicator.BroadcastBytes(bytes));
  } while (bytes == kStillWaiting);
  if (absl::StartsWith(bytes, kFailed)) {
    return absl::AbortedError(absl::StrCat("rank 0 ", bytes));
  }
  return bytes;
}

absl::StatusOr<std::string> RunOnRankZero(
    Communicator& communicator,
    const std::function<absl::StatusOr<std::string>()>& work) {
  if (communicator.rank() != 0) return WaitForRankZero(communicator);
  absl::StatusOr<std::string> word = "";
  const absl::Status waited =
      WhileOthersWait(communicator, [&]() -> absl::Status {
        word = work();
        return word.status();
      });
  if (!waited.ok()) word = waited;
  return TellOthers(communicator, std::move(word));
}

}  // namespace rlhf
