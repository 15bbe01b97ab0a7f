#include "actor/actor.h"

#include <unistd.h>

#include <map>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "actor/actor_metrics.h"
#include "actor/generation_engine.h"
#include "actor/generation_service.h"
#include "actor/policy_fetcher.h"
#include "actor/rollout_submitter.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/nn/model_directory.h"
#include "core/nn/sampler.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "core/rpc/grpc_status.h"
#include "core/telemetry/metrics_server.h"
#include "core/text/chat_format.h"
#include "core/text/tokenizer.h"

namespace rlhf {
namespace {

// The engine's requests that belong to one Generate call.
struct OpenJob {
  std::unique_ptr<GenerationJob> job;
  v1::GenerateResponse response;
  int num_missing = 0;
};

// What the engine's request was made for: a lease, or a place in an open job.
struct Purpose {
  std::optional<v1::PromptLease> lease;
  absl::Time lease_end;
  absl::Time started;
  std::shared_ptr<OpenJob> job;
  int prompt = 0, sample = 0;
  std::vector<int32_t> prompt_ids;
};

// One thread's loop around the engine.
class Worker {
 public:
  Worker(const v1::RunConfig& config, std::unique_ptr<Tokenizer> tokenizer,
         const ChatFormat& format, const ModelConfig& model,
         GenerationService* service, ActorMetrics* metrics)
      : config_(config),
        tokenizer_(std::move(tokenizer)),
        format_(format),
        model_config_(model),
        service_(service),
        metrics_(metrics),
        fetcher_(config.learner().address(), model),
        submitter_(config.learner().address(), config.reward_server().address(),
                   static_cast<size_t>(config.actor().max_queue()), metrics),
        learner_(
            v1::Rollouts::NewStub(MakeChannel(config.learner().address()))),
        actor_id_(absl::StrCat("actor-", ::getpid())) {}

  void Run() {
    while (!ShutdownRequested()) {
      TakePolicy();
      if (engine_ == nullptr) {
        WaitForShutdown(absl::Milliseconds(50));
        continue;
      }
      // A new policy waits until the sequences of the old one are done.
      if (!fetched_.has_value()) {
        TakeJobs();
        TakeLeases();
      }
      Step();
    }
  }

 private:
  void TakePolicy() {
    if (std::optional<PolicyVersion> newer = fetcher_.Take()) {
      fetched_ = std::move(newer);
    }
    if (!fetched_.has_value() || (engine_ != nullptr && !engine_->idle())) {
      return;
    }
    version_ = fetched_->version;
    if (engine_ == nullptr) {
      engine_ =
          std::make_unique<GenerationEngine>(fetched_->model, EngineOptions());
    } else {
      engine_->SetModel(fetched_->model);
    }
    fetched_.reset();
    metrics_->policy_version.Set(static_cast<double>(version_));
    metrics_->weights_pulled.Increment();
    RLHF_LOG(INFO) << "policy version " << version_;
  }

  GenerationEngine::Options EngineOptions() const {
    return {.max_batch = config_.actor().max_batch(),
            .max_tokens =
                std::min<int64_t>(model_config_.max_positions,
                                  config_.sampling().max_prompt_tokens() +
                                      config_.sampling().max_new_tokens()),
            .eos_ids = model_config_.eos_token_ids};
  }

  absl::StatusOr<std::vector<int32_t>> EncodePrompt(const v1::Prompt& prompt) {
    RLHF_ASSIGN_OR_RETURN(const std::string text,
                          format_.Render(prompt.messages(), true));
    return tokenizer_->Encode(text);
  }

  void TakeJobs() {
    // With nothing else to do the queue is a place to wait.
    const absl::Duration patience =
        engine_->idle() ? absl::Milliseconds(20) : absl::ZeroDuration();
    while (engine_->num_waiting() + engine_->num_running() <
           config_.actor().max_batch()) {
      std::unique_ptr<GenerationJob> job = service_->Next(patience);
      if (job == nullptr) return;
      auto open = std::make_shared<OpenJob>();
      open->job = std::move(job);
      const absl::Status status = Admit(open);
      if (!status.ok()) open->job->answer.set_value(status);
    }
  }

  absl::Status Admit(const std::shared_ptr<OpenJob>& open) {
    const v1::GenerateRequest& request = open->job->request;
    std::vector<std::vector<int32_t>> prompts;
    for (const v1::Prompt& prompt : request.prompts()) {
      RLHF_ASSIGN_OR_RETURN(prompts.emplace_back(), EncodePrompt(prompt));
      const auto total = static_cast<int64_t>(prompts.back().size()) +
                         request.max_new_tokens();
      if (total > EngineOptions().max_tokens) {
        return absl::InvalidArgumentError(
            absl::StrCat("prompt and response take ", total,
                         " tokens; the limit is ", EngineOptions().max_tokens));
      }
    }
    open->response.set_policy_version(version_);
    for (int p = 0; p < request.prompts_size(); ++p) {
      v1::PromptResponses& responses = *open->response.add_results();
      for (int s = 0; s < request.num_samples(); ++s) {
        responses.add_responses();
        const EngineRequest engine_request{
            .id = next_id_++,
            .prompt_ids = prompts[p],
            .stream =
                SampleStream(request.seed(), request.prompts(p).prompt_id(), s),
            .max_new_tokens = request.max_new_tokens(),
            .temperature = request.temperature()};
        RLHF_RETURN_IF_ERROR(engine_->Add(engine_request));
        purposes_[engine_request.id] = {
            .job = open, .prompt = p, .sample = s, .prompt_ids = prompts[p]};
        metrics_->prompt_tokens.Increment(
            static_cast<double>(prompts[p].size()));
        ++open->num_missing;
      }
    }
    return absl::OkStatus();
  }

  void TakeLeases() {
    const int room = config_.actor().max_batch() - engine_->num_running() -
                     engine_->num_waiting();
    if (room <= 0 || absl::Now() < next_lease_) return;
    v1::LeasePromptsRequest request;
    request.set_actor_id(actor_id_);
    request.set_max_leases(room);
    request.set_policy_version(version_);
    v1::LeasePromptsResponse response;
    const auto context = ContextWithDeadline(absl::Seconds(2));
    const absl::Status status = FromGrpcStatus(
        learner_->LeasePrompts(context.get(), request, &response));
    const int64_t pause =
        status.ok() ? std::max<int64_t>(10, response.retry_after_ms()) : 500;
    next_lease_ = absl::Now() + absl::Milliseconds(pause);
    for (const v1::PromptLease& lease : response.leases()) Start(lease);
  }

  void Start(const v1::PromptLease& lease) {
    absl::StatusOr<std::vector<int32_t>> prompt_ids =
        EncodePrompt(lease.prompt());
    absl::Status status = prompt_ids.status();
    if (status.ok()) {
      const uint64_t id = next_id_++;
      status = engine_->Add(
          {.id = id,
           .prompt_ids = *prompt_ids,
           .stream = SampleStream(lease.seed(), lease.prompt().prompt_id(),
                                  lease.sample()),
           .max_new_tokens = lease.max_new_tokens(),
           .temperature = lease.temperature()});
      if (status.ok()) {
        metrics_->prompt_tokens.Increment(
            static_cast<double>(prompt_ids->size()));
        const absl::Time now = absl::Now();
        purposes_[id] = {
            .lease = lease,
            .lease_end = now + absl::Milliseconds(lease.lease_ms()),
            .started = now,
            .prompt_ids = *std::move(prompt_ids)};
        return;
      }
    }
    // The configuration was checked at start, so this is a prompt that no actor
    // can sample; the learner's log shows that its lease never ends.
    RLHF_LOG(ERROR) << "prompt " << lease.prompt().prompt_id()
                    << " cannot be sampled: " << status;
    metrics_->rollouts_failed.Increment();
  }

  void Step() {
    metrics_->sequences_running.Set(engine_->num_running());
    metrics_->sequences_waiting.Set(engine_->num_waiting());
    if (engine_->idle()) return;
    absl::StatusOr<std::vector<EngineResult>> results = engine_->Step();
    if (!results.ok()) {
      RLHF_LOG(ERROR) << "generation failed: " << results.status();
      FailAll(results.status());
      return;
    }
    for (EngineResult& result : *results) {
      const auto it = purposes_.find(result.id);
      metrics_->generated_tokens.Increment(
          static_cast<double>(result.token_ids.size()));
      if (it->second.lease.has_value()) {
        FinishRollout(it->second, std::move(result));
      } else {
        FinishJob(it->second, result);
      }
      purposes_.erase(it);
    }
  }

  void FailAll(const absl::Status& status) {
    for (auto& [id, purpose] : purposes_) {
      if (purpose.job != nullptr && purpose.job->job != nullptr) {
        purpose.job->job->answer.set_value(status);
        purpose.job->job = nullptr;
      }
    }
    purposes_.clear();
  }

  void FinishRollout(const Purpose& purpose, EngineResult result) {
    PendingRollout pending{.pm_version = purpose.lease->pm_version(),
                           .lease_end = purpose.lease_end};
    v1::Rollout& rollout = pending.rollout;
    rollout.set_rollout_id(purpose.lease->rollout_id());
    rollout.set_attempt(purpose.lease->attempt());
    *rollout.mutable_prompt() = purpose.lease->prompt();
    rollout.mutable_prompt_ids()->Add(purpose.prompt_ids.begin(),
                                      purpose.prompt_ids.end());
    rollout.mutable_response_ids()->Add(result.token_ids.begin(),
                                        result.token_ids.end());
    rollout.mutable_behaviour_logprobs()->Add(result.logprobs.begin(),
                                              result.logprobs.end());
    rollout.set_policy_version(version_);
    rollout.set_finish_reason(result.finish_reason);
    rollout.set_response_text(tokenizer_->Decode(result.token_ids, true));
    rollout.set_actor_id(actor_id_);
    rollout.set_generation_seconds(
        absl::ToDoubleSeconds(absl::Now() - purpose.started));
    metrics_->rollout_tokens.Observe(
        static_cast<double>(result.token_ids.size()));
    if (!submitter_.Add(std::move(pending))) {
      metrics_->rollouts_failed.Increment();
      RLHF_LOG(WARNING) << "submission queue is full; rollout "
                        << purpose.lease->rollout_id() << " is given up";
    }
  }

  void FinishJob(const Purpose& purpose, const EngineResult& result) {
    OpenJob& open = *purpose.job;
    v1::Response& response = *open.response.mutable_results(purpose.prompt)
                                  ->mutable_responses(purpose.sample);
    response.set_text(tokenizer_->Decode(result.token_ids, true));
    response.mutable_token_ids()->Add(result.token_ids.begin(),
                                      result.token_ids.end());
    response.mutable_logprobs()->Add(result.logprobs.begin(),
                                     result.logprobs.end());
    response.set_finish_reason(result.finish_reason);
    if (--open.num_missing == 0) {
      open.job->answer.set_value(std::move(open.response));
    }
  }

  const v1::RunConfig& config_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const ChatFormat format_;
  const ModelConfig model_config_;
  GenerationService* const service_;
  ActorMetrics* const metrics_;
  PolicyFetcher fetcher_;
  RolloutSubmitter submitter_;
  const std::unique_ptr<v1::Rollouts::Stub> learner_;
  const std::string actor_id_;

  std::optional<PolicyVersion> fetched_;
  std::unique_ptr<GenerationEngine> engine_;
  int64_t version_ = 0;
  uint64_t next_id_ = 1;
  std::map<uint64_t, Purpose> purposes_;
  absl::Time next_lease_ = absl::InfinitePast();
};

}  // namespace

absl::Status RunActor(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(const ModelConfig model,
                        LoadModelConfig(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(std::unique_ptr<Tokenizer> tokenizer,
                        Tokenizer::Load(config.initial_policy()));
  RLHF_ASSIGN_OR_RETURN(const ChatFormat format,
                        ChatFormat::Load(config.initial_policy()));
  prometheus::Registry registry;
  ActorMetrics metrics(registry);
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.actor().metrics_port()),
          &registry));
  GenerationService service(static_cast<size_t>(config.actor().max_queue()));
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<GrpcServer> server,
      GrpcServer::Start(config.actor().address(), {&service}));
  server->SetServing(true);
  Worker worker(config, std::move(tokenizer), format, model, &service,
                &metrics);
  worker.Run();
  service.Stop();
  server->Shutdown(absl::Seconds(1));
  return absl::OkStatus();
}

}  // namespace rlhf
