#include "reward_server/reward_service.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/rpc/grpc_status.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

// Ids of another tokenizer would be scored as other words, without an error.
absl::Status CheckTokenizer(const LoadedPm& pm,
                            const v1::ScoreRequest& request) {
  const bool has_tokens = std::any_of(
      request.dialogues().begin(), request.dialogues().end(),
      [](const auto& dialogue) { return dialogue.tokens_size() > 0; });
  if (!has_tokens || request.tokenizer_digest() == pm.tokenizer_digest) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      "tokens of tokenizer \"", request.tokenizer_digest(), "\"; PM version ",
      pm.version.version(), " reads those of ", pm.tokenizer_digest,
      " (SHA-256 of tokenizer.json): send text"));
}

absl::StatusOr<std::vector<std::vector<int32_t>>> EncodeAll(
    const LoadedPm& pm, const v1::ScoreRequest& request) {
  if (request.dialogues().empty()) {
    return absl::InvalidArgumentError("dialogues: no dialogue to score");
  }
  RLHF_RETURN_IF_ERROR(CheckTokenizer(pm, request));
  std::vector<std::vector<int32_t>> sequences;
  for (int i = 0; i < request.dialogues_size(); ++i) {
    absl::StatusOr<std::vector<int32_t>> ids = pm.Encode(request.dialogues(i));
    if (!ids.ok()) {
      return WithContext(ids.status(), absl::StrCat("dialogues[", i, "]"));
    }
    sequences.push_back(*std::move(ids));
  }
  return sequences;
}

void Fill(const LoadedPm& pm, const PmScores& scores,
          v1::ScoreResponse& response) {
  response.mutable_scores()->Add(scores.combined.begin(),
                                 scores.combined.end());
  *response.mutable_pm() = pm.version;
  for (size_t m = 0; m < scores.by_member.size(); ++m) {
    v1::MemberScores& member = *response.add_members();
    member.set_member(pm.members.members[m].name);
    member.mutable_scores()->Add(scores.by_member[m].begin(),
                                 scores.by_member[m].end());
  }
}

// gRPC keeps deadlines by a clock that somebody may set.
absl::Time DeadlineOf(const grpc::CallbackServerContext& context) {
  return MonotonicNow() + (absl::FromChrono(context.deadline()) - absl::Now());
}

std::vector<std::vector<int32_t>> Pick(
    absl::Span<const std::vector<int32_t>> sequences,
    absl::Span<const size_t> which) {
  std::vector<std::vector<int32_t>> picked;
  for (const size_t s : which) picked.push_back(sequences[s]);
  return picked;
}

}  // namespace

void RewardService::Start(const Call& call) {
  const auto pm = slots_->Get(call.request->pm_version());
  if (!pm.ok()) return call.finish(pm.status());
  auto sequences = EncodeAll(**pm, *call.request);
  if (!sequences.ok()) {
    JudgeCanary(**pm, *call.request, sequences.status());
    return call.finish(sequences.status());
  }
  KnownScores known = FindScores(**pm, *sequences, *cache_);
  metrics_->cache_misses.Increment(static_cast<double>(known.missing.size()));
  metrics_->cache_hits.Increment(
      static_cast<double>(sequences->size() - known.missing.size()));
  if (known.missing.empty()) return Answer(call, *pm, known.scores);
  auto missing = Pick(*sequences, known.missing);
  const absl::Status queued =
      Queue(call, *pm, std::move(missing), std::move(known));
  ShowQueue();
  if (!queued.ok()) call.finish(queued);
}

absl::Status RewardService::Queue(const Call& call,
                                  const std::shared_ptr<const LoadedPm>& pm,
                                  std::vector<std::vector<int32_t>> missing,
                                  KnownScores known) {
  const auto done = [this, call, pm, missing, known = std::move(known)](
                        const absl::StatusOr<PmScores>& fresh) {
    if (!fresh.ok()) {
      JudgeCanary(*pm, *call.request, fresh.status());
      return call.finish(fresh.status());
    }
    KeepScores(*pm, missing, *fresh, *cache_);
    metrics_->cache_bytes.Set(static_cast<double>(cache_->num_bytes()));
    PmScores scores = known.scores;
    Place(*fresh, known.missing, scores);
    Answer(call, pm, scores);
  };
  return batcher_->Add(
      {.pm = pm,
       .sequences = std::move(missing),
       .done = done,
       .is_cancelled = [context =
                            call.context] { return context->IsCancelled(); },
       .deadline = DeadlineOf(*call.context),
       .client = call.context->peer()});
}

void RewardService::Answer(const Call& call,
                           const std::shared_ptr<const LoadedPm>& pm,
                           const PmScores& scores) {
  Fill(*pm, scores, *call.response);
  metrics_->scored.Increment(static_cast<double>(scores.combined.size()));
  if (pm == slots_->serving()) ScoreInShadow(*call.request, scores.combined);
  call.finish(absl::OkStatus());
}

void RewardService::JudgeCanary(const LoadedPm& pm,
                                const v1::ScoreRequest& request,
                                const absl::Status& error) {
  const auto serving = slots_->serving();
  if (slots_->canary().get() != &pm || absl::IsCancelled(error) ||
      absl::IsFailedPrecondition(error) || IsTransient(error) ||
      !EncodeAll(*serving, request).ok()) {
    return;
  }
  if (slots_->NoteCanaryError(pm, std::string(error.message()))) {
    RLHF_LOG(ERROR) << "PM version " << pm.version.version()
                    << ", on trial as canary, cannot score: " << error;
  }
}

void RewardService::ScoreInShadow(const v1::ScoreRequest& request,
                                  const std::vector<float>& serving_scores) {
  const std::shared_ptr<const LoadedPm> pm = slots_->shadow();
  if (pm == nullptr) return;
  auto sequences = EncodeAll(*pm, request);
  if (!sequences.ok()) return;
  batcher_
      ->Add({.pm = pm,
             .sequences = *std::move(sequences),
             .done =
                 [this, serving_scores, version = pm->version.version()](
                     const absl::StatusOr<PmScores>& scores) {
                   if (!scores.ok()) return;
                   std::vector<ShadowScore> both;
                   for (size_t i = 0; i < serving_scores.size(); ++i) {
                     both.push_back({serving_scores[i], scores->combined[i]});
                   }
                   shadow_->Add(version, both);
                 },
             .is_cancelled = [this, pm] { return slots_->shadow() != pm; },
             .background = true})
      .IgnoreError();
}

grpc::ServerUnaryReactor* RewardService::Score(
    grpc::CallbackServerContext* context, const v1::ScoreRequest* request,
    v1::ScoreResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  Start({.context = context,
         .request = request,
         .response = response,
         .finish = [this, context, reactor,
                    stopwatch = Stopwatch()](const absl::Status& status) {
           metrics_->requests.Of(status.code()).Increment();
           metrics_->latency_seconds.Observe(stopwatch.seconds());
           ShowQueue();
           SendRetryAfter(status, *context);
           reactor->Finish(ToGrpcStatus(status));
         }});
  return reactor;
}

}  // namespace rlhf
