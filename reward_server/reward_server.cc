#include "reward_server/reward_server.h"

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/run_config.h"
#include "core/nn/dtype.h"
#include "core/registry/model_registry.h"
#include "core/rpc/grpc_server.h"
#include "core/telemetry/metrics_server.h"
#include "reward_server/reward_service.h"

namespace rlhf {
namespace {

constexpr absl::Duration kRetryPause = absl::Seconds(5);

// A version whose files are what was published.
absl::StatusOr<std::shared_ptr<const LoadedPm>> LoadProven(
    const ModelRegistry& registry, int64_t number, at::ScalarType dtype) {
  RLHF_RETURN_IF_ERROR(registry.Verify(number));
  RLHF_ASSIGN_OR_RETURN(const v1::ModelVersion version, registry.Get(number));
  return LoadPm(registry.Directory(number), version, dtype);
}

// Loads what the registry says should serve, if it is not serving already. The
// version is proven against its digest first; while it loads, and if it cannot
// be loaded, the old one goes on serving.
absl::Status FollowRegistry(const ModelRegistry& registry, at::ScalarType dtype,
                            PmSlots& slots) {
  RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> wanted,
                        registry.Alias("serving"));
  const auto serving = slots.serving();
  if (!wanted.has_value() ||
      (serving != nullptr && serving->version.version() == *wanted)) {
    return absl::OkStatus();
  }
  // One that was rolled back to is still held: it serves again at once.
  if (serving != nullptr) {
    if (const auto held = slots.Get(*wanted); held.ok()) {
      slots.Swap(*held);
      return absl::OkStatus();
    }
  }
  // After a restart the one before it may still be pinned by a batch.
  if (serving == nullptr) {
    RLHF_ASSIGN_OR_RETURN(const std::optional<int64_t> previous,
                          registry.Alias("previous"));
    if (previous.has_value() && *previous != *wanted) {
      const auto pm = LoadProven(registry, *previous, dtype);
      if (pm.ok()) {
        slots.Swap(*pm);
      } else {
        RLHF_LOG(WARNING) << "the previous PM is not there to score a batch "
                             "that was begun with it: "
                          << pm.status();
      }
    }
  }
  RLHF_ASSIGN_OR_RETURN(const std::shared_ptr<const LoadedPm> pm,
                        LoadProven(registry, *wanted, dtype));
  slots.Swap(pm);
  RLHF_LOG(INFO) << "PM version " << *wanted << " serves";
  return absl::OkStatus();
}

}  // namespace

absl::Status RunRewardServer(const v1::RunConfig& config) {
  prometheus::Registry series;
  RewardMetrics metrics(series);
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.reward_server().metrics_port()),
          &series));
  PmSlots slots;
  RequestBatcher batcher(
      {.max_batch_tokens = config.reward_server().max_batch_tokens(),
       .max_queue = static_cast<size_t>(config.reward_server().max_queue()),
       .on_batch = [&metrics](size_t num_dialogues) {
         metrics.batch_items.Observe(static_cast<double>(num_dialogues));
       }});
  RewardService service(&slots, &batcher, &metrics);
  RewardAdminService admin(&slots);
  RLHF_ASSIGN_OR_RETURN(const std::unique_ptr<GrpcServer> server,
                        GrpcServer::Start(config.reward_server().address(),
                                          {&service, &admin}, &series));
  const ModelRegistry registry(
      absl::StrCat(RunDirectory(config), "/registry/pm"));
  // Proving a version reads all of it: one that failed is not tried at once.
  absl::Time next_try = absl::InfinitePast();
  do {
    const int64_t swaps = slots.Status().num_swaps();
    if (absl::Now() >= next_try) {
      const absl::Status status = FollowRegistry(
          registry, ScalarTypeOf(config.reward_server().dtype()), slots);
      if (!status.ok()) next_try = absl::Now() + kRetryPause;
      if (!status.ok() &&
          slots.Status().load_error() != std::string(status.message())) {
        RLHF_LOG(ERROR) << "the promoted PM is not loaded, the old one goes "
                           "on: "
                        << status;
        slots.SetLoadError(std::string(status.message()));
      }
    }
    const v1::RewardStatus now = slots.Status();
    metrics.swaps.Increment(static_cast<double>(now.num_swaps() - swaps));
    metrics.pm_version.Set(static_cast<double>(now.serving().version()));
    server->SetServing(now.serving().version() > 0);
  } while (!WaitForShutdown(absl::Milliseconds(300)));
  // Calls that wait are answered, not cut off.
  batcher.Stop();
  server->Shutdown(absl::Seconds(2));
  return absl::OkStatus();
}

}  // namespace rlhf
