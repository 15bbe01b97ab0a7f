#include "actor/actor.h"

#include <algorithm>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "actor/actor_metrics.h"
#include "actor/generation_service.h"
#include "actor/job_sampler.h"
#include "actor/lease_sampler.h"
#include "actor/policy_fetcher.h"
#include "actor/policy_packer.h"
#include "actor/policy_runner.h"
#include "actor/prompt_codec.h"
#include "actor/rollout_submitter.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/listen_address.h"
#include "core/nn/device.h"
#include "core/nn/model_directory.h"
#include "core/rpc/grpc_server.h"
#include "core/telemetry/metrics_server.h"

namespace rlhf {
namespace {

GenerationEngine::Options EngineOptions(const v1::RunConfig& config,
                                        const ModelConfig& model,
                                        const PromptCodec& codec) {
  return {.max_batch = config.actor().max_batch(),
          .max_tokens = std::min<int64_t>(
              model.max_positions, config.sampling().max_prompt_tokens() +
                                       config.sampling().max_new_tokens()),
          .max_prefill_tokens = config.actor().max_prefill_tokens(),
          .eos_ids = model.eos_token_ids,
          .max_cache_tokens = config.actor().max_cache_tokens(),
          .tokenizer = &codec.tokenizer()};
}

PolicyRunner::OnNewVersion OnNewVersion(const v1::ActorConfig& config) {
  switch (config.on_new_policy()) {
    case v1::ActorConfig::KEEP_CACHE:
      return PolicyRunner::OnNewVersion::kKeepCache;
    case v1::ActorConfig::RECOMPUTE:
      return PolicyRunner::OnNewVersion::kRecompute;
    case v1::ActorConfig::FINISH_SEQUENCES:
      break;
  }
  return PolicyRunner::OnNewVersion::kFinish;
}

// Samples until shutdown is requested. Generate calls that are unfinished then
// end with the job sampler.
absl::Status Sample(const v1::RunConfig& config, const ModelConfig& model,
                    at::Device device, const PromptCodec& codec,
                    GenerationService& service, GrpcServer& server,
                    ActorMetrics& metrics, const RpcIdentity& self,
                    SpanFile* spans) {
  PolicyFetcher fetcher(
      config.learner().address(), model, &metrics, device, self,
      {.host = config.listen_host(), .port = config.actor().weights_port()});
  RolloutSubmitter submitter(
      config.learner().address(), config.reward_server().address(),
      static_cast<size_t>(config.actor().max_queue()), &metrics, self, spans);
  PolicyRunner runner(EngineOptions(config, model, codec), &metrics,
                      OnNewVersion(config.actor()), PolicyPacker());
  JobSampler jobs(&service, &codec, &runner);
  LeaseSampler leases(config.learner().address(), &codec, &runner, &submitter,
                      &metrics, self, spans);
  // Before the submitter waits for what is under way.
  const absl::Cleanup stop = [&service] { service.Stop(); };
  while (!ShutdownRequested()) {
    if (std::optional<PolicyVersion> newer = fetcher.Take()) {
      RLHF_RETURN_IF_ERROR(runner.Offer(*std::move(newer)));
      server.SetServing(runner.has_policy());
    }
    jobs.DropAbandoned();
    if (runner.accepting()) {
      leases.TakeLeases();
      jobs.TakeJobs();
    }
    RLHF_RETURN_IF_ERROR(runner.Step());
    leases.HandIn();
    jobs.HandOut();
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RunActor(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const RpcIdentity self,
                        RpcIdentity::Load(config, "actor"));
  RLHF_ASSIGN_OR_RETURN(const at::Device device,
                        FindDevice("actor.device", config.actor().device()));
  RLHF_ASSIGN_OR_RETURN(const ModelConfig model,
                        LoadModelConfig(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const PromptCodec codec,
                        PromptCodec::Load(config.initial_policy()));
  prometheus::Registry registry;
  ActorMetrics metrics(registry);
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.actor().metrics_port()),
          &registry));
  const std::unique_ptr<SpanFile> spans = OpenSpans(config, "actor");
  GenerationService service(static_cast<size_t>(config.actor().max_queue()));
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start(ListenAddress(config, config.actor().address()),
                        {&service}, &registry, self, spans.get()));
  const absl::Status status = Sample(config, model, device, codec, service,
                                     *server, metrics, self, spans.get());
  server->Shutdown(absl::Seconds(1));
  return status;
}

}  // namespace rlhf
