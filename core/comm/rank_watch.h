// Who among the ranks is dead or stuck. Collectives cannot tell: a rank that
// waits in one sees a timeout or a closed connection, minutes later or of a
// neighbour that died of the same cause.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/comm/communicator.h"

namespace rlhf {

// Every rank holds a TCP connection to rank 0 and a thread that speaks on it. A
// killed process closes its connection, which is noticed at once; one that is
// silent for `timeout` is stuck. Rank 0 tells the others who it was.
class RankWatch {
 public:
  struct Options {
    // Where the others reach rank 0.
    std::string master_address;
    absl::Duration timeout = absl::Seconds(10);
    // Time to connect.
    absl::Duration connect_timeout = absl::Seconds(60);
    // Called once, by the watch's thread, with a sentence that names the rank
    // that is dead or stuck. May end the process.
    std::function<void(const std::string&)> on_failure;
  };

  // Collective. Once any rank was asked to stop (ShutdownRequested), all are.
  // `communicator` must outlive the watch, which reads its description.
  //
  // Errors: Unavailable if a rank does not connect in time; of the
  // communicator.
  static absl::StatusOr<std::unique_ptr<RankWatch>> Start(
      Communicator& communicator, const Options& options);
  ~RankWatch();
  RankWatch(const RankWatch&) = delete;
  RankWatch& operator=(const RankWatch&) = delete;

  // Ends this rank's part. The others take it for a failure of this rank unless
  // `why` is OK. At most once; the destructor leaves with OK.
  void Leave(const absl::Status& why);

  // What the ranks that this one hears of do, "rank 1: gradients of update 12,
  // …", a line each. Rank 0 hears of all, the others of rank 0.
  std::string Activities() const;

 private:
  struct Peer {
    int rank = 0;
    int fd = -1;  // -1: it left
    std::string unread;
    absl::Time heard;
  };

  RankWatch(Communicator& communicator, const Options& options,
            std::vector<Peer> peers, int wake_fd);
  void Run();
  void WaitForNews();
  void Read(Peer& peer);
  void Handle(Peer& peer, const std::string& line);
  void FindSilent(absl::Time now);
  void Fail(const std::string& message);
  void SendToAll(const std::string& line);

  const Communicator& communicator_;
  const Options options_;
  const int wake_fd_;
  // Only the thread's.
  std::vector<Peer> peers_;
  bool failed_ = false;
  bool told_to_stop_ = false;

  mutable Mutex mutex_;
  std::vector<std::string> activities_ ABSL_GUARDED_BY(mutex_);  // by rank
  std::string last_words_ ABSL_GUARDED_BY(mutex_);
  std::atomic<bool> leaving_ = false;
  std::jthread thread_;
};

}  // namespace rlhf
