// Dialogues that workers carry on: the response that a worker chose, and what
// the human says next, become the prompt of that worker's next task.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "feedback/task_scheduler.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

// What the worker says next.
struct NextTurn {
  std::string task_id;
  std::string worker_id;
  // The response on the left, as it was shown, is the one to go on with.
  bool left_chosen = true;
  // Of the human.
  std::string message;
  // The saved answer to the task, by which it is found in the log after a
  // restart; may be empty.
  std::string comparison_id;
};

// NotFound: there is no answer to carry on from.
absl::Status NothingToCarryOn(const NextTurn& turn);

// A dialogue that waits for two responses.
struct Continuation {
  v1::Prompt prompt;
  // Whose it is.
  std::string worker_id;
  // The task that it goes on from, and the saved answer to it.
  std::string task_id;
  std::string comparison_id;
};

// Thread-compatible. Everything in it is bounded. The dialogues that wait are
// kept over a restart by whoever uses this (open_work.h); what was answered
// before it is found again in the log (AnswerDesk::CarryOn).
class Continuations {
 public:
  // Human messages in a dialogue.
  static constexpr int kMaxTurns = 20;
  // Characters (code points) in a message.
  static constexpr size_t kMaxMessageCharacters = 4'000;
  // Answered tasks that may be carried on: the newest.
  static constexpr size_t kMaxRemembered = 1'000;
  // Dialogues that wait for responses, or have them and wait for the worker.
  static constexpr size_t kMaxQueued = 256;
  // A worker waits so long for the responses, and then gets other tasks.
  static constexpr absl::Duration kPatience = absl::Minutes(1);

  // `worker_id` answered `task` by `comparison_id`, and may carry it on.
  void Remember(Task task, const std::string& worker_id,
                const std::string& comparison_id);

  // Queues a dialogue; the same turn again changes nothing. Returns whose
  // dialogue was dropped to make room, if one was.
  //
  // Errors:
  //   InvalidArgument     the message is blank or too long, or the dialogue has
  //                       kMaxTurns already
  //   NotFound            the worker did not answer such a task (any more)
  //   AlreadyExists       the task was carried on with other words
  //   Unavailable         the queue is full, or the worker's dialogue before is
  //                       still waiting; try again
  absl::StatusOr<std::optional<std::string>> Add(const NextTurn& turn,
                                                 absl::Time now);

  // Queues what waited before a restart, if there is room; the same turn again
  // changes nothing.
  void Restore(Continuation continuation, absl::Time now);

  // Drops what waits of the worker, and what the worker answered: nothing of it
  // is carried on any more.
  void Forget(const std::string& worker_id);

  // The same of one answer: drops the dialogue that goes on from it, if it
  // waits; returns whose that was.
  std::optional<std::string> ForgetAnswer(const std::string& comparison_id);

  // What waits of the worker, with responses or without. nullopt: nothing.
  std::optional<Continuation> WaitingOf(const std::string& worker_id) const;

  // The dialogue that waits longest for responses; it stays until Finish.
  // nullopt: none.
  std::optional<Continuation> Next() const;

  // The dialogue has its responses, in `task`, or gets none: the turn may be
  // tried again then. One that waits no more changes nothing, whatever else of
  // the worker waits by now.
  void Finish(const Continuation& continuation, std::optional<Task> task);

  // The task that is made of the worker's dialogue, once. nullopt: none.
  std::optional<Task> Take(const std::string& worker_id);

  // Whether the worker waits for a dialogue's responses rather than for any
  // task.
  bool IsAwaited(const std::string& worker_id, absl::Time now) const;

 private:
  struct Answered {
    Task task;
    std::string comparison_id;
    // Empty: not carried on.
    std::string message;
    // Only the prompt of `task` is known, and the chosen response stands in it.
    bool restored = false;
  };
  struct Queued {
    Continuation continuation;
    absl::Time awaited_until;
    // Set once it has its responses.
    std::optional<Task> task;
  };
  using Key = std::pair<std::string, std::string>;  // task, worker

  // The worker's dialogue, or the end.
  std::list<Queued>::iterator Find(const std::string& worker_id);
  // It leaves the queue without a task: its turn counts as not carried on.
  void Drop(std::list<Queued>::iterator queued);
  // Drops the oldest one whose worker does not come for it, if there is no
  // room; returns whose it was.
  std::optional<std::string> MakeRoom();

  std::map<Key, Answered> answered_;
  std::deque<Key> answered_order_;
  std::list<Queued> queue_;
};

}  // namespace rlhf
