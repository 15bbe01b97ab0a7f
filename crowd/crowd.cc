#include "crowd/crowd.h"

#include <curl/curl.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/rpc/retry.h"
#include "core/telemetry/metrics_server.h"
#include "core/telemetry/series.h"
#include "crowd/feedback_http_client.h"
#include "crowd/simulated_worker.h"

namespace rlhf {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(300);

absl::StatusOr<v1::Prompt> PromptOf(const Json& task) {
  v1::Prompt prompt;
  if (!task.contains("messages") || !task.at("messages").is_array()) {
    return absl::InternalError("the task has no messages");
  }
  for (const Json& entry : task.at("messages")) {
    v1::Message& message = *prompt.add_messages();
    RLHF_ASSIGN_OR_RETURN(*message.mutable_role(), GetString(entry, "role"));
    RLHF_ASSIGN_OR_RETURN(*message.mutable_content(),
                          GetString(entry, "content"));
  }
  return prompt;
}

// The same for every attempt, so that none counts twice; at most 64 bytes
// whatever the names.
std::string ComparisonId(const std::string& task_id,
                         const std::string& worker_id) {
  return "crowd-" + Sha256Hex(task_id + "\n" + worker_id).substr(0, 32);
}

class Worker {
 public:
  Worker(const v1::RunConfig& config, const v1::CrowdWorker& worker,
         GoldJudge* judge, prometheus::Counter* answered)
      : config_(config),
        worker_(worker),
        judge_(judge),
        answered_(answered),
        client_(config.feedback().http_address()) {}

  // Until the service wants no more, or shutdown.
  absl::Status Run() {
    int64_t count = 0;
    while (!ShutdownRequested()) {
      const auto task = RetryTransient(absl::InfiniteDuration(), [this] {
        auto taken = client_.TakeTask(worker_.worker_id());
        LogIfNew(taken.status());
        return taken;
      });
      if (absl::IsOutOfRange(task.status()) || ShutdownRequested()) break;
      // Paused, or out of answers: a person may say otherwise any time.
      const bool paused = absl::IsFailedPrecondition(task.status());
      if (!paused) RLHF_RETURN_IF_ERROR(task.status());
      if (paused || !task->has_value()) {
        WaitForShutdown(kPause);
        continue;
      }
      RLHF_RETURN_IF_ERROR(Work(**task));
      ++count;
    }
    RLHF_LOG(INFO) << worker_.worker_id() << " answered " << count << " tasks";
    return absl::OkStatus();
  }

 private:
  // A service that stays away is said once, not with every attempt.
  void LogIfNew(const absl::Status& status) {
    const bool passes =
        IsTransient(status) || absl::IsFailedPrecondition(status);
    if (passes && status.code() != last_code_) {
      RLHF_LOG(WARNING) << worker_.worker_id() << ": " << status
                        << "; trying again";
    }
    last_code_ = status.code();
  }

  absl::Status Work(const Json& task) {
    RLHF_ASSIGN_OR_RETURN(const v1::Prompt prompt, PromptOf(task));
    RLHF_ASSIGN_OR_RETURN(const std::string left, GetString(task, "left"));
    RLHF_ASSIGN_OR_RETURN(const std::string right, GetString(task, "right"));
    RLHF_ASSIGN_OR_RETURN(const std::string id, GetString(task, "task_id"));
    RLHF_ASSIGN_OR_RETURN(GoldScores gold, judge_->Judge(prompt, left, right));
    // Asked for the more harmful response, people look for the worse one.
    if (task.value("kind", "helpful") == "red_team") {
      std::swap(gold.left, gold.right);
    }
    const WorkerAnswer answer = AnswerTask(worker_, gold, id, config_.seed());
    if (WaitForShutdown(absl::Seconds(answer.seconds))) {
      return absl::OkStatus();
    }
    Json comparison = {{"task_id", id},
                       {"comparison_id", ComparisonId(id, worker_.worker_id())},
                       {"worker_id", worker_.worker_id()},
                       {"choice", answer.choice},
                       {"seconds", answer.seconds},
                       {"source", "crowd"}};
    if (answer.strength > 0) comparison["strength"] = answer.strength;
    const absl::Status saved = client_.Save(comparison);
    // A task may have gone to somebody else meanwhile; the next one is ours.
    if (absl::IsFailedPrecondition(saved)) {
      RLHF_LOG(WARNING) << worker_.worker_id() << ": " << saved.message();
      return absl::OkStatus();
    }
    if (saved.ok()) answered_->Increment();
    // What shutdown cut short is lost with its lease; another worker gets it.
    return ShutdownRequested() ? absl::OkStatus() : saved;
  }

  const v1::RunConfig& config_;
  const v1::CrowdWorker& worker_;
  GoldJudge* const judge_;
  prometheus::Counter* const answered_;
  FeedbackHttpClient client_;
  absl::StatusCode last_code_ = absl::StatusCode::kOk;
};

}  // namespace

absl::Status RunCrowd(const v1::RunConfig& config, GoldJudge* judge) {
  if (config.crowd().workers().empty()) {
    return absl::InvalidArgumentError(
        "crowd.workers is empty: no simulated worker is configured; wanted "
        "at least one, such as crowd { workers { worker_id: \"ann\" } }");
  }
  prometheus::Registry registry;
  RLHF_ASSIGN_OR_RETURN(
      const std::unique_ptr<MetricsServer> metrics_server,
      MetricsServer::Start(
          absl::StrCat("127.0.0.1:", config.crowd().metrics_port()),
          &registry));
  // Not thread-safe, so before the threads.
  curl_global_init(CURL_GLOBAL_DEFAULT);
  Mutex mutex;
  absl::Status status;
  {
    std::vector<std::jthread> threads;
    for (const v1::CrowdWorker& worker : config.crowd().workers()) {
      threads.emplace_back([&] {
        prometheus::Counter& answered =
            AddCounter(registry, "rlhf_crowd_answers_total",
                       "Comparisons saved by simulated workers.",
                       {{"worker_id", worker.worker_id()}});
        const absl::Status ended =
            WithContext(Worker(config, worker, judge, &answered).Run(),
                        absl::StrCat("worker ", worker.worker_id()));
        if (ended.ok()) return;
        // The others would work on as if nothing were missing.
        RLHF_LOG(ERROR) << ended;
        RequestShutdown();
        MutexLock lock(&mutex);
        status.Update(ended);
      });
    }
  }
  return status;
}

}  // namespace rlhf
