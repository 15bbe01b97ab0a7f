#include "core/telemetry/connection_watch.h"

#include <utility>

namespace rlhf {

ConnectionWatch::ConnectionWatch(const Options& options, BreakOff break_off)
    : options_(options), break_off_(std::move(break_off)) {}

void ConnectionWatch::Opened(int fd, absl::Time now) {
  MutexLock lock(&mutex_);
  if (connections_.size() >= options_.num_crowded) MakeRoom();
  connections_[fd] = {.waits_since = now,
                      .deadline = now + options_.header_timeout};
}

void ConnectionWatch::HasHeaders(int fd, absl::Time now) {
  MutexLock lock(&mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  found->second.deadline = now + options_.body_timeout;
}

void ConnectionWatch::HasRequest(int fd) {
  MutexLock lock(&mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  found->second.has_request = true;
  found->second.deadline = absl::InfiniteFuture();
}

void ConnectionWatch::Answered(int fd, absl::Time now) {
  MutexLock lock(&mutex_);
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  found->second = {
      .waits_since = now,
      .deadline = now + options_.idle_timeout + options_.header_timeout};
}

void ConnectionWatch::Closed(int fd) {
  MutexLock lock(&mutex_);
  connections_.erase(fd);
}

void ConnectionWatch::BreakOffLate(absl::Time now) {
  MutexLock lock(&mutex_);
  for (auto next = connections_.begin(); next != connections_.end();) {
    const auto connection = next++;
    if (connection->second.deadline > now) continue;
    break_off_(connection->first);
    connections_.erase(connection);
  }
}

void ConnectionWatch::MakeRoom() {
  auto oldest = connections_.end();
  for (auto it = connections_.begin(); it != connections_.end(); ++it) {
    if (it->second.has_request) continue;
    if (oldest == connections_.end() ||
        it->second.waits_since < oldest->second.waits_since) {
      oldest = it;
    }
  }
  if (oldest == connections_.end()) return;
  break_off_(oldest->first);
  connections_.erase(oldest);
}

}  // namespace rlhf
