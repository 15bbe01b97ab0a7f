// Which requests wait to be scored, and which are scored next. Decisions only:
// no thread, no clock, no model.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "reward_server/pm_scores.h"

namespace rlhf {

// One client's dialogues.
struct ScoreJob {
  std::shared_ptr<const LoadedPm> pm;
  std::vector<std::vector<int32_t>> sequences;
  // The scores, or why there are none: called once.
  std::function<void(absl::StatusOr<PmScores>)> done;
  // Whether its client went away; such a job is not scored. Asked before each
  // forward pass.
  std::function<bool()> is_cancelled = [] { return false; };
  // After this, by MonotonicNow, nobody waits for it any more; it is not scored
  // then, or no further.
  absl::Time deadline = absl::InfiniteFuture();
  // Who asks: clients take turns by the tokens that they had scored.
  std::string client = {};
  // Nobody waits for it: it is scored when no other job is there.
  bool background = false;
};

// Not thread-safe. Time is an argument and never goes back.
//
// Clients share by start-time fair queueing (Goyal et al. 1996): a job starts
// where its client's last one ended, in tokens, but never before the job that
// is served; the smallest start is next. A client with thousands of jobs delays
// one that comes with its first by one batch.
class ScoreQueue {
 public:
  struct Options {
    // Dialogues that may wait.
    size_t max_waiting = 4096;
    // What is scored together; a job of more is scored alone, in several
    // passes.
    size_t max_batch_dialogues = 256;
    int64_t max_batch_tokens = 4096;
    // How long a job waits for others while a batch is not full.
    absl::Duration max_delay = absl::ZeroDuration();
  };

  explicit ScoreQueue(const Options& options) : options_(options) {}

  // Errors (then the job is gone and `done` was not called): InvalidArgument if
  // the queue could never hold it; ResourceExhausted if it is full now, with
  // the pause after which there should be room (core/rpc/retry_after.h).
  absl::Status Add(ScoreJob job, absl::Time now);

  // Takes what need not be scored any more: the client left, or its deadline is
  // over.
  std::vector<ScoreJob> TakeUnwanted(absl::Time now);

  // From when on TakeBatch is called for: the past once a batch is full or only
  // background jobs wait; InfiniteFuture if nothing waits.
  absl::Time DueAt() const;

  // Takes the next job and those after it that the same PM scores, as many as
  // are scored together. Empty if nothing waits.
  std::vector<ScoreJob> TakeBatch();

  // Takes everything.
  std::vector<ScoreJob> TakeAll();

  // A batch of so many dialogues took so long: what pauses are computed from.
  void NoteScored(size_t num_dialogues, absl::Duration took);

  // Dialogues.
  size_t num_waiting() const { return num_waiting_; }

 private:
  // Whether in the background, where it starts (tokens), and its number.
  using Turn = std::tuple<bool, int64_t, uint64_t>;
  struct Entry {
    ScoreJob job;
    int64_t tokens = 0;
    absl::Time arrival;
  };
  using Entries = std::map<Turn, Entry>;

  absl::Status Full(size_t size) const;
  Turn TurnOf(const ScoreJob& job, int64_t tokens);
  ScoreJob Take(Entries::iterator entry);

  const Options options_;
  Entries entries_;
  size_t num_waiting_ = 0;
  uint64_t num_added_ = 0;
  // Where the job that was served last started, and by client where its last
  // job ends, if that is later.
  int64_t served_to_ = 0;
  absl::flat_hash_map<std::string, int64_t> ends_;
  // Of one dialogue, lately; zero before the first batch.
  absl::Duration per_dialogue_;
};

}  // namespace rlhf
