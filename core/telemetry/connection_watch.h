// Which connections of a server keep others out: whoever sends headers or a
// body piece by piece holds a place for as long as it likes, because a limit of
// silence begins anew with every byte.
#pragma once

#include <cstddef>
#include <functional>
#include <map>

#include "absl/time/time.h"
#include "core/base/mutex.h"

namespace rlhf {

// Told of everything that happens to a connection, which its `fd` names.
// Thread-safe. Costs O(log n) of n connections, and O(n) where it breaks some
// off.
class ConnectionWatch {
 public:
  struct Options {
    // From the first byte that may come to the end of the headers. A
    // connection that has had an answer may also be silent for `idle_timeout`
    // before.
    absl::Duration header_timeout = absl::Seconds(10);
    absl::Duration idle_timeout = absl::Seconds(30);
    // From there to the end of the body.
    absl::Duration body_timeout = absl::Minutes(5);
    // With so many, whoever has waited longest without having sent a whole
    // request makes room for a new one.
    size_t num_crowded = 224;
  };
  // Ends a connection. Called with the watch locked, so that what `fd` names is
  // still the same: it may not call back.
  using BreakOff = std::function<void(int fd)>;

  ConnectionWatch(const Options& options, BreakOff break_off);

  void Opened(int fd, absl::Time now);
  void HasHeaders(int fd, absl::Time now);
  // Its answer may take as long as it takes.
  void HasRequest(int fd);
  void Answered(int fd, absl::Time now);
  // Before another connection can have the same `fd`.
  void Closed(int fd);

  // Breaks off the connections whose time is over.
  void BreakOffLate(absl::Time now);

 private:
  struct Connection {
    bool has_request = false;
    absl::Time waits_since;  // for a whole request
    absl::Time deadline;
  };
  void MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const BreakOff break_off_;
  Mutex mutex_;
  // Those that were not broken off.
  std::map<int, Connection> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
