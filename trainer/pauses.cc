#include "trainer/pauses.h"

#include <string>

#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "trainer/rank_zero.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPollInterval = absl::Milliseconds(300);

// A pause between two looks.
absl::Status Pause(Communicator& communicator) {
  if (communicator.world_size() > 1) {
    RLHF_RETURN_IF_ERROR(KeepOthersWaiting(communicator));
  }
  WaitForShutdown(kPollInterval);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Ordered> WaitOutOrders(int64_t newest_checkpoint,
                                      LearnerHead& head,
                                      Communicator& communicator) {
  while (true) {
    head.StopIfOrdered();
    if (head.orders().WantsStop()) return Ordered::kStop;
    if (head.orders().WantsCheckpoint(newest_checkpoint)) {
      return Ordered::kCheckpoint;
    }
    const std::string pause = head.orders().Pause();
    if (pause.empty()) return Ordered::kGoOn;
    if (ShutdownRequested()) return Ordered::kStop;
    head.ShowPhase(pause);
    RLHF_RETURN_IF_ERROR(Pause(communicator));
  }
}

absl::StatusOr<bool> WaitOutSentinel(const v1::SentinelConfig& config,
                                     const Steering& steering,
                                     int64_t newest_checkpoint,
                                     LearnerHead& head,
                                     Communicator& communicator) {
  if (config.action() != v1::SentinelConfig::PAUSE) return true;
  bool told = false;
  while (!ShutdownRequested()) {
    // A server that does not answer is no reason to go on.
    const absl::StatusOr<v1::ModelVersion> serving = head.ServingPm();
    const std::string reason =
        serving.ok() ? steering.PauseUnder(*serving) : "";
    if (serving.ok() && reason.empty()) return true;
    if (head.orders().WantsStop() ||
        head.orders().WantsCheckpoint(newest_checkpoint)) {
      return false;
    }
    if (!told && !reason.empty()) {
      RLHF_LOG(WARNING) << "paused until another PM than version "
                        << serving->version() << " serves: " << reason;
      told = true;
    }
    if (told) head.ShowPhase("paused: over-optimisation");
    RLHF_RETURN_IF_ERROR(Pause(communicator));
  }
  return true;
}

}  // namespace rlhf
