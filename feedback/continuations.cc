#include "feedback/continuations.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/text/prompt_id.h"

namespace rlhf {
namespace {

// Code points of valid UTF-8: the bytes that begin one.
size_t NumCharacters(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(),
                    [](unsigned char byte) { return (byte & 0xC0) != 0x80; }));
}

int NumTurns(const v1::Prompt& prompt) {
  return static_cast<int>(std::count_if(
      prompt.messages().begin(), prompt.messages().end(),
      [](const v1::Message& message) { return message.role() == "user"; }));
}

absl::Status CheckMessage(const std::string& message) {
  if (absl::StripAsciiWhitespace(message).empty()) {
    return absl::InvalidArgumentError(
        "\"message\" is empty: say what the human says next");
  }
  const size_t length = NumCharacters(message);
  if (length > Continuations::kMaxMessageCharacters) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"message\" has ", length, " characters; at most ",
                     Continuations::kMaxMessageCharacters, " are allowed"));
  }
  return absl::OkStatus();
}

void AddMessage(v1::Prompt& prompt, const char* role,
                const std::string& content) {
  v1::Message* const message = prompt.add_messages();
  message->set_role(role);
  message->set_content(content);
}

v1::Prompt CarryOn(const Task& task, const NextTurn& turn) {
  v1::Prompt prompt = task.prompt;
  const bool a_chosen = turn.left_chosen != task.shown_swapped;
  AddMessage(prompt, "assistant", a_chosen ? task.response_a : task.response_b);
  AddMessage(prompt, "user", turn.message);
  prompt.set_prompt_id(PromptId(prompt.messages()));
  return prompt;
}

}  // namespace

absl::Status NothingToCarryOn(const NextTurn& turn) {
  return absl::NotFoundError(
      absl::StrCat("worker \"", turn.worker_id, "\" answered no task ",
                   turn.task_id, " lately: its dialogue cannot be carried on"));
}

void Continuations::Remember(Task task, const std::string& worker_id,
                             const std::string& comparison_id) {
  const Key key(task.task_id, worker_id);
  const bool is_new =
      answered_
          .try_emplace(key, Answered{.task = std::move(task),
                                     .comparison_id = comparison_id})
          .second;
  if (!is_new) return;
  answered_order_.push_back(key);
  if (answered_order_.size() > kMaxRemembered) {
    answered_.erase(answered_order_.front());
    answered_order_.pop_front();
  }
}

absl::StatusOr<std::optional<std::string>> Continuations::Add(
    const NextTurn& turn, absl::Time now) {
  RLHF_RETURN_IF_ERROR(CheckMessage(turn.message));
  const auto found = answered_.find({turn.task_id, turn.worker_id});
  if (found == answered_.end()) return NothingToCarryOn(turn);
  Answered& answered = found->second;
  if (!answered.message.empty()) {
    if (answered.message == turn.message) return std::nullopt;
    return absl::AlreadyExistsError(
        absl::StrCat("the dialogue of task ", turn.task_id,
                     " was carried on before with other words"));
  }
  if (NumTurns(answered.task.prompt) >= kMaxTurns) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the dialogue has ", kMaxTurns, " turns, and no more are allowed"));
  }
  const absl::Status busy = absl::UnavailableError(
      "dialogues before this one wait for their answers; try again");
  // Before room is made: who is refused takes nobody's place.
  if (Find(turn.worker_id) != queue_.end()) return busy;
  std::optional<std::string> dropped = MakeRoom();
  if (queue_.size() >= kMaxQueued) return busy;
  answered.message = turn.message;
  queue_.push_back({.continuation = {.prompt = CarryOn(answered.task, turn),
                                     .worker_id = turn.worker_id,
                                     .task_id = turn.task_id,
                                     .comparison_id = answered.comparison_id},
                    .awaited_until = now + kPatience,
                    .task = std::nullopt});
  return dropped;
}

std::optional<std::string> Continuations::MakeRoom() {
  if (queue_.size() < kMaxQueued) return std::nullopt;
  const auto oldest = std::find_if(
      queue_.begin(), queue_.end(),
      [](const Queued& queued) { return queued.task.has_value(); });
  if (oldest == queue_.end()) return std::nullopt;
  std::string whose = oldest->continuation.worker_id;
  Drop(oldest);
  return whose;
}

void Continuations::Drop(std::list<Queued>::iterator queued) {
  const Continuation& continuation = queued->continuation;
  const auto found =
      answered_.find({continuation.task_id, continuation.worker_id});
  if (found != answered_.end()) {
    found->second.message.clear();
    // The log knows it better.
    if (found->second.restored) answered_.erase(found);
  }
  queue_.erase(queued);
}

void Continuations::Restore(Continuation continuation, absl::Time now) {
  if (queue_.size() >= kMaxQueued || continuation.prompt.messages().empty() ||
      Find(continuation.worker_id) != queue_.end()) {
    return;
  }
  // The task that it goes on from: enough to know the same turn by.
  v1::Prompt before = continuation.prompt;
  before.mutable_messages()->RemoveLast();
  const Key key(continuation.task_id, continuation.worker_id);
  Remember({.task_id = continuation.task_id, .prompt = std::move(before)},
           continuation.worker_id, continuation.comparison_id);
  Answered& answered = answered_.at(key);
  answered.message = continuation.prompt.messages().rbegin()->content();
  answered.restored = true;
  queue_.push_back({.continuation = std::move(continuation),
                    .awaited_until = now + kPatience,
                    .task = std::nullopt});
}

void Continuations::Forget(const std::string& worker_id) {
  const auto is_theirs = [&](const Key& key) {
    return key.second == worker_id;
  };
  queue_.remove_if([&](const Queued& queued) {
    return queued.continuation.worker_id == worker_id;
  });
  std::erase_if(answered_order_, is_theirs);
  std::erase_if(answered_,
                [&](const auto& entry) { return is_theirs(entry.first); });
}

std::optional<std::string> Continuations::ForgetAnswer(
    const std::string& comparison_id) {
  std::erase_if(answered_, [&](const auto& entry) {
    return entry.second.comparison_id == comparison_id;
  });
  std::erase_if(answered_order_,
                [&](const Key& key) { return !answered_.contains(key); });
  const auto found =
      std::find_if(queue_.begin(), queue_.end(), [&](const Queued& queued) {
        return queued.continuation.comparison_id == comparison_id;
      });
  if (found == queue_.end()) return std::nullopt;
  std::string whose = found->continuation.worker_id;
  queue_.erase(found);
  return whose;
}

std::optional<Continuation> Continuations::WaitingOf(
    const std::string& worker_id) const {
  for (const Queued& queued : queue_) {
    if (queued.continuation.worker_id == worker_id) return queued.continuation;
  }
  return std::nullopt;
}

std::optional<Continuation> Continuations::Next() const {
  const auto waiting = std::find_if(
      queue_.begin(), queue_.end(),
      [](const Queued& queued) { return !queued.task.has_value(); });
  if (waiting == queue_.end()) return std::nullopt;
  return waiting->continuation;
}

void Continuations::Finish(const Continuation& continuation,
                           std::optional<Task> task) {
  const auto found = Find(continuation.worker_id);
  if (found == queue_.end()) return;
  // The same task may have been carried on anew, with other words.
  const Continuation& waiting = found->continuation;
  if (waiting.task_id != continuation.task_id ||
      waiting.prompt.prompt_id() != continuation.prompt.prompt_id()) {
    return;
  }
  if (task.has_value()) {
    found->task = std::move(task);
  } else {
    Drop(found);
  }
}

std::optional<Task> Continuations::Take(const std::string& worker_id) {
  const auto found = Find(worker_id);
  if (found == queue_.end() || !found->task.has_value()) return std::nullopt;
  std::optional<Task> task = std::move(found->task);
  queue_.erase(found);
  return task;
}

bool Continuations::IsAwaited(const std::string& worker_id,
                              absl::Time now) const {
  return std::any_of(queue_.begin(), queue_.end(), [&](const Queued& queued) {
    return queued.continuation.worker_id == worker_id &&
           !queued.task.has_value() && now < queued.awaited_until;
  });
}

std::list<Continuations::Queued>::iterator Continuations::Find(
    const std::string& worker_id) {
  return std::find_if(queue_.begin(), queue_.end(), [&](const Queued& queued) {
    return queued.continuation.worker_id == worker_id;
  });
}

}  // namespace rlhf
