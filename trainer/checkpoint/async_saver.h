// Checkpoints written beside the training that they are of.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>

#include "absl/status/status.h"
#include "trainer/checkpoint/checkpoint_store.h"

namespace rlhf {

// One save at a time is in flight, on a thread of its own. Used by one thread.
class AsyncSaver {
 public:
  // `on_done` hears of every save's result at once, on the saving thread.
  AsyncSaver(CheckpointStore store,
             std::function<void(const absl::Status&)> on_done);
  // Waits for the save in flight.
  ~AsyncSaver();

  // Waits for the save before this one and begins to save `step`
  // (CheckpointStore::Save); `fill` must own what it writes.
  //
  // Errors: those of the save before; nothing is begun then.
  absl::Status Start(int64_t step,
                     std::function<absl::Status(const std::string&)> fill,
                     std::optional<double> metric);

  // Waits for the save in flight and returns its error, once.
  absl::Status Wait();

  // What the last save that was waited for took, in seconds.
  double last_seconds() const { return last_seconds_; }

 private:
  CheckpointStore store_;
  const std::function<void(const absl::Status&)> on_done_;
  // Written by the thread, read after it is joined.
  absl::Status status_;
  double seconds_ = 0;
  double last_seconds_ = 0;
  std::thread thread_;
};

}  // namespace rlhf
