// Sends versions of the weights over TCP to whoever asks, from any bucket on,
// also while they are still being received here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/comm/weight_version.h"

namespace rlhf {

// Every receiver has a connection and a thread of its own, so that one which
// does not read holds up nobody else. At most two versions are held, however
// slow receivers are: the newest, and one that is being sent; the kernel takes
// the bytes from the buckets themselves.
//
// Thread-safe. No call waits for a receiver.
class WeightSender {
 public:
  struct Options {
    // Where it listens; 0: any free one.
    int port = 0;
    // Connections beyond are closed at once.
    size_t max_streams = 64;
    // A receiver that takes nothing for so long is cut off.
    absl::Duration patience = absl::Seconds(30);
    // Told how many bytes were just sent, on the threads that send. May be
    // empty.
    std::function<void(uint64_t)> on_sent;
  };

  // Listens at `host`, a name or an address.
  // Errors: as Listen (core/telemetry/listen_socket.h).
  static absl::StatusOr<std::unique_ptr<WeightSender>> Start(
      const std::string& host, const Options& options);
  // Cuts all streams off.
  ~WeightSender();

  int port() const { return port_; }

  // Offers `version` instead of the one before. Of those before, the one that
  // has been sent for longest is sent to its end; the streams of others are cut
  // off, as their receivers will want this one.
  void Offer(std::shared_ptr<const WeightVersion> version);

  // Offers nothing, and cuts all streams off.
  void Withdraw();

  // Receivers that are connected.
  size_t num_streams() const;

 private:
  struct Stream {
    int fd = -1;
    std::shared_ptr<const WeightVersion> version;  // null before the request
    bool cut = false;
    bool ended = false;
    std::thread thread;
  };

  WeightSender(int listen_fd, int port, const Options& options);

  void Accept();
  void Admit(int fd);
  void Reap() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run(Stream* stream);
  void Serve(Stream* stream);
  // Logs the first one: who sends rubbish may send much of it.
  void NoteRefused(const absl::Status& why);
  bool SendBucket(Stream* stream, const WeightVersion& version, int bucket);
  bool SendBytes(int fd, const SharedMemory& bucket);
  std::shared_ptr<const WeightVersion> Take(Stream* stream, int64_t version);
  bool IsCut(const Stream* stream) const;
  bool IsSent(const std::shared_ptr<const WeightVersion>& version) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void CutAllBut(const std::shared_ptr<const WeightVersion>& newest,
                 const std::shared_ptr<const WeightVersion>& older)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const int listen_fd_;
  const int port_;
  mutable Mutex mutex_;
  CondVar stopping_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool refused_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const WeightVersion> newest_ ABSL_GUARDED_BY(mutex_);
  // Being sent, or null.
  std::shared_ptr<const WeightVersion> older_ ABSL_GUARDED_BY(mutex_);
  // Streams stay where they are: their threads point to them. Fields but `fd`,
  // which is set once, and `thread` are guarded as well.
  std::list<Stream> streams_ ABSL_GUARDED_BY(mutex_);
  std::thread accepting_;
};

}  // namespace rlhf
