// Keeps the answer desk supplied with tasks: asks the actor for two responses
// to each of the next prompts.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "feedback/answer_desk.h"
#include "feedback/feedback_metrics.h"
#include "feedback/past_responses.h"
#include "feedback/prompt_cycle.h"
#include "rlhf/v1/generation.grpc.pb.h"
#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/reward.pb.h"

namespace rlhf {

// Works on a thread of its own from construction to destruction.
class TaskSource {
 public:
  struct Options {
    uint64_t seed = 1;
    int max_new_tokens = 128;
    double temperature = 1;
    // Of the tasks, those that set a fresh response beside one that an earlier
    // version gave to the same prompt, if there is one.
    double past_share = 0;
    // The learner's updates that were not told before, which say where versions
    // stand (past_responses.h).
    std::function<std::vector<v1::UpdateReport>()> new_updates = [] {
      return std::vector<v1::UpdateReport>();
    };
    // Of the tasks, those that ask for the more harmful response.
    double red_team_share = 0;
    // The PM that serves now, 0 if none; what tasks say they were made under.
    std::function<int64_t()> serving_pm = [] { return int64_t{0}; };
    // Scores of a PM's members, in the order of the dialogues. If given, tasks
    // are those that the members disagree about most, out of
    // kCandidatesPerTask times as many; without a PM, or where scoring fails,
    // they are taken as they come.
    std::function<absl::StatusOr<std::vector<v1::MemberScores>>(
        const std::vector<v1::ScoredDialogue>& dialogues,
        const std::stop_token& stop)>
        score_members;
    // Hears of each new position among the prompts before a task from before it
    // is offered: whoever starts again there asks for nothing twice.
    std::function<void(int64_t position)> keep_position = [](int64_t) {};
    // Prompts in one request.
    int max_prompts = 8;
    // A request that takes longer fails, and is tried again.
    absl::Duration deadline = absl::Minutes(2);
    // Pause after a request that failed or gave no task.
    absl::Duration retry_pause = absl::Seconds(1);
  };

  static constexpr int kCandidatesPerTask = 4;

  // Starts with the prompt at `position` of the cycle over `prompts` (not
  // empty), and with the responses of earlier versions in `past`. `desk` and
  // `metrics` are not owned and must outlive the source.
  TaskSource(const Options& options, std::vector<v1::Prompt> prompts,
             int64_t position, PastResponses past,
             std::unique_ptr<v1::Generation::StubInterface> actor,
             AnswerDesk* desk, FeedbackMetrics* metrics);
  ~TaskSource() = default;  // cancels a running request, joins the thread

 private:
  void Run(const std::stop_token& stop);
  // Makes what the desk wants, dialogues that are carried on first; whether
  // anything came of it.
  absl::StatusOr<bool> Supply(int wanted, const std::stop_token& stop);
  // The next task of a dialogue. Errors of the actor that may pass leave it
  // where it waits, up to kMaxFailures of one dialogue.
  absl::StatusOr<bool> CarryOn(const Continuation& continuation,
                               const std::stop_token& stop);
  // Asks for `num_prompts` tasks from position_ on, and moves it.
  absl::StatusOr<std::vector<Task>> MakeTasks(int num_prompts,
                                              const std::stop_token& stop);
  // Whether the dialogue should wait for another attempt after `status`.
  bool MayTryAgain(const Continuation& continuation,
                   const absl::Status& status);
  absl::StatusOr<v1::GenerateResponse> Generate(
      const v1::GenerateRequest& request, const std::stop_token& stop);
  // A prompt for each of `pasts`: its own, or the next of the cycle.
  v1::GenerateRequest MakeRequest(
      const std::vector<std::optional<PastResponse>>& pasts);
  // Two responses, as the run samples them.
  void SetSampling(v1::GenerateRequest& request, uint64_t seed) const;
  // Those of `tasks` to offer, if not all.
  std::vector<Task> Choose(std::vector<Task> tasks,
                           const std::stop_token& stop);
  // How the responses were made.
  void Describe(Task& task, int64_t pm_version) const;
  // Whether it is a red-team task. A dialogue that is carried on is none.
  void DrawKind(Task& task) const;
  // For the task at `position`: a response to compare with, and whose prompt to
  // ask for, if it is to be one across versions.
  std::optional<PastResponse> DrawPast(int64_t position) const;

  const Options options_;
  const std::unique_ptr<v1::Generation::StubInterface> actor_;
  AnswerDesk* const desk_;
  FeedbackMetrics* const metrics_;

  // Touched by the thread only.
  PromptCycle cycle_;
  int64_t position_;
  PastResponses past_;
  int64_t newest_version_ = 0;  // that answered
  bool scoring_fails_ = false;
  // The last request was a dialogue's, and failed.
  bool dialogue_failed_ = false;
  // How often that dialogue's request failed, of those that the actor got.
  std::string failing_dialogue_;
  int num_failures_ = 0;

  std::jthread thread_;  // last: stopped before the rest is destroyed
};

}  // namespace rlhf
