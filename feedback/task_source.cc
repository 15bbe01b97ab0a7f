#include "feedback/task_source.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "core/text/prompt_id.h"
#include "feedback/disagreement.h"
#include "grpcpp/client_context.h"

namespace rlhf {
namespace {

// Keeps these samples apart from those of the rollouts, which have the same
// run seed.
constexpr uint64_t kSeedSalt = 0x7461736b73;  // "tasks"

// Two equal responses are no task: so often a dialogue's are sampled.
constexpr uint64_t kDialogueAttempts = 3;

// A dialogue that an actor fails on so often ends; one that is not up does not
// count.
constexpr int kMaxFailures = 5;

void Pause(const std::stop_token& stop, absl::Duration duration) {
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock<std::mutex> lock(mutex);
  never.wait_for(lock, stop, absl::ToChronoNanoseconds(duration),
                 [] { return false; });
}

absl::Status CheckReply(const v1::GenerateRequest& request,
                        const v1::GenerateResponse& reply) {
  if (reply.results_size() != request.prompts_size()) {
    return absl::InternalError(
        absl::StrCat("the actor answered ", reply.results_size(),
                     " prompts; wanted ", request.prompts_size()));
  }
  for (const v1::PromptResponses& result : reply.results()) {
    if (result.responses_size() != request.num_samples()) {
      return absl::InternalError(
          absl::StrCat("the actor gave ", result.responses_size(),
                       " responses; wanted ", request.num_samples()));
    }
  }
  return absl::OkStatus();
}

// Whether the same request may well be answered later.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) ||
         absl::IsResourceExhausted(status) || absl::IsCancelled(status);
}

// Both of each task, one after the other.
std::vector<v1::ScoredDialogue> DialoguesOf(const std::vector<Task>& tasks) {
  std::vector<v1::ScoredDialogue> dialogues;
  for (const Task& task : tasks) {
    for (const std::string& response : {task.response_a, task.response_b}) {
      v1::ScoredDialogue& dialogue = dialogues.emplace_back();
      *dialogue.mutable_prompt() = task.prompt.messages();
      dialogue.set_response(response);
    }
  }
  return dialogues;
}

}  // namespace

TaskSource::TaskSource(const Options& options, std::vector<v1::Prompt> prompts,
                       int64_t position, PastResponses past,
                       std::unique_ptr<v1::Generation::StubInterface> actor,
                       AnswerDesk* desk, FeedbackMetrics* metrics)
    : options_(options),
      actor_(std::move(actor)),
      desk_(desk),
      metrics_(metrics),
      cycle_(std::move(prompts), MixHash(options.seed, kSeedSalt)),
      position_(position),
      past_(std::move(past)),
      thread_([this](const std::stop_token& stop) { Run(stop); }) {}

void TaskSource::Run(const std::stop_token& stop) {
  bool failing = false;
  while (!stop.stop_requested()) {
    const int wanted = desk_->WaitForDemand(stop, absl::Seconds(60));
    if (stop.stop_requested()) continue;
    const absl::StatusOr<bool> supplied = Supply(wanted, stop);
    if (!supplied.ok()) {
      // An actor that is not up yet is told once, not every second.
      if (!failing && !stop.stop_requested()) {
        RLHF_LOG(WARNING) << "no new tasks: " << supplied.status();
      }
      failing = true;
      Pause(stop, options_.retry_pause);
      continue;
    }
    if (failing) RLHF_LOG(INFO) << "the actor answers again";
    failing = false;
    if (!*supplied) Pause(stop, options_.retry_pause);
  }
}

absl::StatusOr<bool> TaskSource::Supply(int wanted,
                                        const std::stop_token& stop) {
  const auto continuation = desk_->NextContinuation();
  // One that fails does not keep the others from their tasks.
  if (continuation.has_value() && !(dialogue_failed_ && wanted > 0)) {
    const absl::StatusOr<bool> done = CarryOn(*continuation, stop);
    dialogue_failed_ = !done.ok();
    return done;
  }
  dialogue_failed_ = false;
  if (wanted == 0) return true;  // waited in vain, and may wait again
  const int candidates =
      options_.score_members ? wanted * kCandidatesPerTask : wanted;
  RLHF_ASSIGN_OR_RETURN(
      std::vector<Task> tasks,
      MakeTasks(std::min(candidates, options_.max_prompts), stop));
  const bool some = !tasks.empty();
  desk_->Add(Choose(std::move(tasks), stop));
  return some;
}

bool TaskSource::MayTryAgain(const Continuation& continuation,
                             const absl::Status& status) {
  if (!MayPass(status)) return false;
  if (absl::IsUnavailable(status) || absl::IsCancelled(status)) return true;
  const std::string dialogue =
      absl::StrCat(continuation.task_id, "/", continuation.worker_id);
  if (failing_dialogue_ != dialogue) num_failures_ = 0;
  failing_dialogue_ = dialogue;
  return ++num_failures_ < kMaxFailures;
}

absl::StatusOr<bool> TaskSource::CarryOn(const Continuation& continuation,
                                         const std::stop_token& stop) {
  const uint64_t key = Xxh3(continuation.task_id + continuation.worker_id);
  for (uint64_t attempt = 0; attempt < kDialogueAttempts; ++attempt) {
    v1::GenerateRequest request;
    *request.add_prompts() = continuation.prompt;
    SetSampling(request,
                MixHash(MixHash(options_.seed, kSeedSalt + 2), key + attempt));
    const auto reply = Generate(request, stop);
    if (!reply.ok() && MayTryAgain(continuation, reply.status())) {
      return reply.status();
    }
    if (!reply.ok()) {
      RLHF_LOG(WARNING) << "a dialogue ends here: " << reply.status();
      break;
    }
    const v1::PromptResponses& result = reply->results(0);
    if (result.responses(0).text() == result.responses(1).text()) continue;
    Task task = MakeTask(continuation.prompt,
                         {result.responses(0).text(), reply->policy_version()},
                         {result.responses(1).text(), reply->policy_version()},
                         static_cast<int64_t>(key >> 1));
    Describe(task, options_.serving_pm());
    desk_->FinishContinuation(continuation, std::move(task));
    return true;
  }
  metrics_->tasks_dropped.Increment();
  desk_->FinishContinuation(continuation, std::nullopt);
  return true;
}

std::optional<PastResponse> TaskSource::DrawPast(int64_t position) const {
  const uint64_t key = MixHash(MixHash(options_.seed, kSeedSalt + 1),
                               static_cast<uint64_t>(position));
  const double coin = static_cast<double>(key >> 11) * 0x1p-53;
  if (coin >= options_.past_share) return std::nullopt;
  return past_.Draw(newest_version_, MixHash(key, 1));
}

v1::GenerateRequest TaskSource::MakeRequest(
    const std::vector<std::optional<PastResponse>>& pasts) {
  v1::GenerateRequest request;
  int64_t position = position_;
  for (const std::optional<PastResponse>& past : pasts) {
    *request.add_prompts() =
        past.has_value() ? past->prompt : cycle_.At(position);
    ++position;
  }
  // The position makes each pass over the prompts sample anew.
  SetSampling(request, MixHash(MixHash(options_.seed, kSeedSalt),
                               static_cast<uint64_t>(position_)));
  return request;
}

void TaskSource::SetSampling(v1::GenerateRequest& request,
                             uint64_t seed) const {
  request.set_num_samples(2);
  request.set_max_new_tokens(options_.max_new_tokens);
  request.set_temperature(static_cast<float>(options_.temperature));
  request.set_seed(seed);
}

absl::StatusOr<v1::GenerateResponse> TaskSource::Generate(
    const v1::GenerateRequest& request, const std::stop_token& stop) {
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + options_.deadline));
  const std::stop_callback cancel(stop, [&context] { context.TryCancel(); });
  v1::GenerateResponse reply;
  const absl::Status status =
      FromGrpcStatus(actor_->Generate(&context, request, &reply));
  (status.ok() ? metrics_->generations_ok : metrics_->generations_failed)
      .Increment();
  RLHF_RETURN_IF_ERROR(WithContext(status, "asking the actor for responses"));
  RLHF_RETURN_IF_ERROR(CheckReply(request, reply));
  return reply;
}

std::vector<Task> TaskSource::Choose(std::vector<Task> tasks,
                                     const std::stop_token& stop) {
  if (!options_.score_members || tasks.empty()) return tasks;
  std::vector<v1::MemberScores> members;
  if (tasks.front().pm_version > 0) {
    auto scored = options_.score_members(DialoguesOf(tasks), stop);
    if (!scored.ok() && !scoring_fails_ && !stop.stop_requested()) {
      RLHF_LOG(WARNING) << "tasks are taken as they come: " << scored.status();
    }
    scoring_fails_ = !scored.ok();
    if (scored.ok()) members = *std::move(scored);
  }
  const size_t num_kept = std::max<size_t>(
      1, tasks.size() / static_cast<size_t>(kCandidatesPerTask));
  std::vector<Task> chosen;
  for (const size_t place :
       LargestPlaces(MarginSpreads(members, tasks.size()), num_kept)) {
    chosen.push_back(std::move(tasks[place]));
  }
  return chosen;
}

void TaskSource::Describe(Task& task, int64_t pm_version) const {
  task.pm_version = pm_version;
  task.sampling.set_temperature(static_cast<float>(options_.temperature));
  task.sampling.set_max_new_tokens(options_.max_new_tokens);
}

void TaskSource::DrawKind(Task& task) const {
  if (HashFraction(task.task_id, "red team") < options_.red_team_share) {
    task.kind = v1::RED_TEAM;
  }
}

absl::StatusOr<std::vector<Task>> TaskSource::MakeTasks(
    int num_prompts, const std::stop_token& stop) {
  const int64_t first = position_;
  past_.Saw(options_.new_updates());
  std::vector<std::optional<PastResponse>> pasts;
  for (int i = 0; i < num_prompts; ++i) pasts.push_back(DrawPast(first + i));
  const v1::GenerateRequest request = MakeRequest(pasts);
  const auto reply = Generate(request, stop);
  // Asking again for prompts that the actor refuses would never end.
  if (reply.ok() || absl::IsInvalidArgument(reply.status())) {
    position_ += num_prompts;
    options_.keep_position(position_);
  }
  RLHF_RETURN_IF_ERROR(reply.status());
  std::vector<Task> tasks;
  const int64_t pm_version = options_.serving_pm();
  for (int i = 0; i < num_prompts; ++i) {
    const auto response = [&](int number) {
      return VersionedResponse{reply->results(i).responses(number).text(),
                               reply->policy_version()};
    };
    const VersionedResponse other =
        pasts[i].has_value() ? pasts[i]->response : response(1);
    past_.Add({request.prompts(i), response(1)});
    if (response(0).text == other.text) {
      metrics_->tasks_dropped.Increment();
      continue;
    }
    tasks.push_back(
        MakeTask(request.prompts(i), response(0), other, first + i));
    Describe(tasks.back(), pm_version);
    DrawKind(tasks.back());
  }
  newest_version_ = std::max(newest_version_, reply->policy_version());
  return tasks;
}

}  // namespace rlhf
