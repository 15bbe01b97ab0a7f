#include "feedback/feedback_server.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "core/base/log.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/config/listen_address.h"
#include "core/config/run_config.h"
#include "core/registry/model_registry.h"
#include "core/rpc/channel.h"
#include "core/rpc/reward_client.h"
#include "feedback/new_updates.h"
#include "feedback/pm_margins.h"
#include "feedback/prompt_cycle.h"
#include "feedback/read_past.h"
#include "feedback/training_prompts.h"
#include "feedback/webhook_signature.h"
#include "feedback/worker_book.h"

namespace rlhf {
namespace {

// The serving PM is asked about a batch for at most this long.
constexpr absl::Duration kPmTimeout = absl::Seconds(60);

// RPCs that still run when the process drains are cancelled after this.
constexpr absl::Duration kDrain = absl::Seconds(5);
// How often the database is asked whether it takes changes.
constexpr absl::Duration kHealthInterval = absl::Seconds(5);
// Tasks are not held up for longer by a PM that does not answer.
constexpr absl::Duration kScoreTimeout = absl::Seconds(10);

// Scores of the serving PM's members.
auto MemberScorer(const std::string& address, const RpcIdentity& self) {
  // Shared, because what holds a function copies it.
  return [client = std::make_shared<RewardClient>(address, self)](
             const std::vector<v1::ScoredDialogue>& dialogues,
             const std::stop_token& stop)
             -> absl::StatusOr<std::vector<v1::MemberScores>> {
    RLHF_ASSIGN_OR_RETURN(
        ScoreResult result,
        client->Score(dialogues, /*pm_version=*/0, kScoreTimeout, stop));
    return std::move(result.members);
  };
}

// How tasks are made.
TaskSource::Options TaskOptions(const v1::RunConfig& config,
                                const RpcIdentity& self) {
  TaskSource::Options options{
      .seed = config.seed(),
      .max_new_tokens = config.sampling().max_new_tokens(),
      .temperature = config.sampling().temperature(),
      .past_share = config.feedback().past_share(),
      .red_team_share = config.feedback().red_team_share(),
      .serving_pm =
          [registry = ModelRegistry(RunDirectory(config) + "/registry/pm")] {
            const auto serving = registry.Alias("serving");
            return serving.ok() ? serving->value_or(0) : 0;
          },
      .keep_position =
          [folder = FeedbackFolder(config)](int64_t now_at) {
            const absl::Status kept = WritePromptPosition(folder, now_at);
            if (!kept.ok()) {
              RLHF_LOG(WARNING)
                  << "after a restart prompts will be asked again: " << kept;
            }
          }};
  if (config.feedback().by_disagreement()) {
    options.score_members =
        MemberScorer(config.reward_server().address(), self);
  }
  return options;
}

}  // namespace

absl::StatusOr<std::unique_ptr<FeedbackServer>> FeedbackServer::Start(
    const v1::RunConfig& config, std::vector<v1::Prompt> prompts) {
  std::unique_ptr<FeedbackServer> server(new FeedbackServer);
  RLHF_ASSIGN_OR_RETURN(server->self_, RpcIdentity::Load(config, "feedback"));
  RLHF_RETURN_IF_ERROR(server->OpenStore(config));
  RLHF_RETURN_IF_ERROR(server->OpenBatches(config));
  RLHF_ASSIGN_OR_RETURN(
      server->access_,
      AccessControl::Open(config.feedback().access(), FeedbackFolder(config),
                          &server->clock_));
  RLHF_RETURN_IF_ERROR(server->StartGrpc(config));
  RLHF_RETURN_IF_ERROR(server->StartHttp(config));
  RLHF_RETURN_IF_ERROR(server->StartTasks(config, std::move(prompts)));
  server->grpc_->SetServing(true);
  return server;
}

FeedbackServer::~FeedbackServer() {
  source_.reset();
  http_.reset();
  if (grpc_ == nullptr) return;
  grpc_->SetServing(false);
  grpc_->Shutdown(kDrain);
}

void FeedbackServer::UpdateHealth() {
  const absl::Status status = store_->CheckTakesChanges();
  if (status.ok() != saves_) {
    RLHF_LOG(WARNING) << (status.ok() ? "answers are saved again"
                                      : "not ready: no answer can be saved: ")
                      << status.message();
  }
  saves_ = status.ok();
  grpc_->SetServing(saves_);
}

absl::Status FeedbackServer::OpenStore(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(store_,
                        OpenPreferenceStore(config, &clock_, &metrics_));
  RLHF_ASSIGN_OR_RETURN(std::string secret,
                        LoadTaskSecret(FeedbackFolder(config)));
  const TaskScheduler::Options options{
      .ready_tasks = config.feedback().ready_tasks(),
      .lease = absl::Seconds(config.feedback().lease_seconds()),
      .max_comparisons = config.feedback().max_comparisons(),
      .overlap = config.feedback().overlap(),
      .max_answers_per_worker = config.feedback().max_answers_per_worker(),
      .secret = std::move(secret)};
  RLHF_ASSIGN_OR_RETURN(auto book,
                        WorkerBook::Open(config, FeedbackFolder(config)));
  desk_ = std::make_unique<AnswerDesk>(options, store_.get(), &clock_,
                                       &metrics_, std::move(book));
  return desk_->ReadLog(FeedbackFolder(config) + "/open_work");
}

absl::Status FeedbackServer::OpenBatches(const v1::RunConfig& config) {
  const v1::FeedbackConfig& feedback = config.feedback();
  std::string secret;
  if (!feedback.webhook_secret_file().empty()) {
    auto read = ReadWebhookSecret(feedback.webhook_secret_file());
    RLHF_RETURN_IF_ERROR(
        WithContext(read.status(), "feedback.webhook_secret_file"));
    secret = *std::move(read);
  }
  auto options = BatchDeskOptions(feedback);
  RLHF_RETURN_IF_ERROR(
      WithContext(options.status(), "feedback.gold_questions"));
  options->forget_worker = [this](const std::string& worker_id) {
    return desk_->ForgetWorker(worker_id);
  };
  options->forget_answers = [this](const std::vector<std::string>& ids) {
    return desk_->ForgetAnswers(ids);
  };
  batches_ = std::make_unique<BatchDesk>(
      *std::move(options), store_.get(),
      [this](const std::vector<v1::Comparison>& comparisons) {
        return desk_->Import(comparisons);
      },
      MarginsOfServingPm(config.reward_server().address(), self_, kPmTimeout),
      &clock_, &metrics_);
  batch_api_ =
      std::make_unique<BatchApi>(batches_.get(), &clock_, std::move(secret));
  return absl::OkStatus();
}

absl::Status FeedbackServer::StartGrpc(const v1::RunConfig& config) {
  service_ = std::make_unique<FeedbackService>(store_.get(), desk_.get());
  import_service_ =
      std::make_unique<ImportService>(batches_.get(), access_.get());
  store_service_ = std::make_unique<StoreService>(
      store_.get(), FeedbackFolder(config) + "/backups", access_.get());
  auto server = GrpcServer::Start(
      ListenAddress(config, config.feedback().address()),
      {service_.get(), import_service_.get(), store_service_.get()}, &registry_,
      self_);
  RLHF_RETURN_IF_ERROR(WithContext(server.status(), "feedback.address"));
  grpc_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status FeedbackServer::StartHttp(const v1::RunConfig& config) {
  requester_ = std::make_unique<RequesterApi>(
      RequesterApi::Options{
          .run_directory = RunDirectory(config),
          .price_per_answer = config.feedback().price_per_answer()},
      store_.get(), &clock_);
  api_ = std::make_unique<HttpApi>(desk_.get(), store_.get(), &registry_,
                                   &metrics_, access_.get(), requester_.get());
  batch_api_->AddTo(*api_);
  auto server = HttpServer::Start(
      config.feedback().http_address(),
      [this](const HttpRequest& request) { return api_->Handle(request); },
      HttpApi::Limits(),
      [this](const HttpRequest& request) {
        return api_->RefuseUnread(request);
      });
  RLHF_RETURN_IF_ERROR(WithContext(server.status(), "feedback.http_address"));
  http_ = *std::move(server);
  return absl::OkStatus();
}

absl::Status FeedbackServer::StartTasks(const v1::RunConfig& config,
                                        std::vector<v1::Prompt> prompts) {
  // A run that never kept its position has asked for about so many.
  const int64_t num_asked =
      store_->GetTotals().num_comparisons *
      (config.feedback().by_disagreement() ? TaskSource::kCandidatesPerTask
                                           : 1);
  RLHF_ASSIGN_OR_RETURN(const int64_t position,
                        ReadPromptPosition(FeedbackFolder(config), num_asked));
  TaskSource::Options options = TaskOptions(config, self_);
  PastResponses past;
  if (config.feedback().past_share() > 0) {
    const auto updates =
        std::make_shared<NewUpdates>(RunDirectory(config) + "/metrics.jsonl");
    options.new_updates = [updates] { return updates->Read(); };
    RLHF_ASSIGN_OR_RETURN(past, ReadPast(*store_, prompts, updates->Read()));
  }
  source_ = std::make_unique<TaskSource>(
      options, std::move(prompts), position, std::move(past),
      v1::Generation::NewStub(
          MakeChannel(config.actor().address(), self_, "actor")),
      desk_.get(), &metrics_);
  return absl::OkStatus();
}

absl::Status RunFeedback(const v1::RunConfig& config) {
  RLHF_ASSIGN_OR_RETURN(std::vector<v1::Prompt> prompts,
                        LoadTrainingPrompts(config));
  RLHF_ASSIGN_OR_RETURN(const auto server,
                        FeedbackServer::Start(config, std::move(prompts)));
  RLHF_LOG(INFO) << "page on http://" << config.feedback().http_address()
                 << ", comparisons in " << PreferenceStoreName(config);
  while (!WaitForShutdown(kHealthInterval)) server->UpdateHealth();
  RLHF_LOG(INFO) << "draining";
  return absl::OkStatus();
}

}  // namespace rlhf
