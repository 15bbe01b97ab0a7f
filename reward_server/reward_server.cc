#include "reward_server/reward_server.h"

#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/config/listen_address.h"
#include "core/config/run_config.h"
#include "core/nn/device.h"
#include "core/rpc/grpc_server.h"
#include "core/telemetry/metrics_server.h"
#include "reward_server/registry_follower.h"
#include "reward_server/reward_service.h"

namespace rlhf {
namespace {

constexpr absl::Duration kRetryPause = absl::Seconds(5);

// `metrics` must outlive the batcher.
RequestBatcher::Options BatcherOptions(const v1::RewardServerConfig& config,
                                       RewardMetrics& metrics) {
  return {.queue = {.max_waiting = static_cast<size_t>(config.max_queue()),
                    .max_batch_dialogues =
                        static_cast<size_t>(config.max_batch_dialogues()),
                    .max_batch_tokens = config.max_batch_tokens(),
                    .max_delay = absl::Milliseconds(config.queue_delay_ms())},
          .on_batch = [&metrics](size_t num_dialogues, int64_t num_tokens) {
            metrics.batch_items.Observe(static_cast<double>(num_dialogues));
            metrics.batch_tokens.Observe(static_cast<double>(num_tokens));
          }};
}

}  // namespace

absl::Status RunRewardServer(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, "reward-server"));
  RLHF_ASSIGN_OR_RETURN(
      const at::Device device,
      FindDevice("reward_server.device", config.reward_server().device()));
  prometheus::Registry series;
  RewardMetrics metrics(series);
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.reward_server().metrics_port()),
          &series));
  const std::unique_ptr<SpanFile> spans = OpenSpans(config, "reward-server");
  PmSlots slots;
  RequestBatcher batcher(BatcherOptions(config.reward_server(), metrics));
  ScoreCache cache(static_cast<size_t>(config.reward_server().score_cache_mib())
                   << 20);
  ShadowRecord shadow;
  RewardService service(&slots, &batcher, &cache, &shadow, &metrics);
  RewardAdminService admin(&slots, &shadow);
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start(
          ListenAddress(config, FirstAddress(config.reward_server().address())),
          {&service, &admin}, &series, self, spans.get()));
  RegistryFollower follower(
      ModelRegistry(absl::StrCat(RunDirectory(config), "/registry/pm")),
      ScalarTypeOf(config.reward_server().dtype()), &slots, device);
  // Proving a version reads all of it: one that failed is not tried at once.
  absl::Time next_try = absl::InfinitePast();
  do {
    const int64_t swaps = slots.Status().num_swaps();
    if (MonotonicNow() >= next_try) {
      const absl::Status status = follower.Follow();
      if (!status.ok()) next_try = MonotonicNow() + kRetryPause;
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
    metrics.load_failed.Set(now.load_error().empty() ? 0 : 1);
    server->SetServing(now.serving().version() > 0);
  } while (!WaitForShutdown(absl::Milliseconds(300)));
  // Calls that wait are answered, not cut off.
  batcher.Stop();
  server->Shutdown(absl::Seconds(2));
  return absl::OkStatus();
}

}  // namespace rlhf
