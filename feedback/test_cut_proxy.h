// Stands between a test and its PostgreSQL server and cuts the connection at
// the worst moment of a commit.
#pragma once

#include <atomic>
#include <string>
#include <thread>

#include "tests/testing/temp_dir.h"

namespace rlhf {

// Forwards one connection at a time.
class CutProxy {
 public:
  enum class Cut {
    kNever,
    // The server does not hear of the next COMMIT.
    kBeforeCommit,
    // The server makes the next COMMIT, and the client does not hear of it.
    kAfterCommit,
  };

  explicit CutProxy(std::string server_socket);
  ~CutProxy();

  // The folder of its socket, for a URL's `host`.
  const std::string& folder() const { return folder_.path(); }

  // Once; cuts no more after it.
  void CutNext(Cut cut) { cut_ = cut; }
  // Closes connections as soon as they are made.
  void Refuse(bool refuse) { refuse_ = refuse; }
  // Refuses from the next cut on.
  void RefuseAfterCut() { refuse_after_cut_ = true; }
  int num_cuts() const { return num_cuts_; }

 private:
  void Serve(const std::stop_token& stop);
  void Forward(int client, int server, const std::stop_token& stop);
  // Takes what `from` sent to `to`; false at the end or at a cut.
  bool Pass(int from, int to, bool is_client);

  const std::string server_socket_;
  TempDir folder_;
  int listener_ = -1;
  std::atomic<Cut> cut_ = Cut::kNever;
  std::atomic<bool> refuse_ = false;
  std::atomic<bool> refuse_after_cut_ = false;
  std::atomic<int> num_cuts_ = 0;
  // A COMMIT is on its way whose answer is to be lost.
  bool commit_sent_ = false;
  std::jthread thread_;
};

}  // namespace rlhf
