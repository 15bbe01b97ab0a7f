// A PostgreSQL server of a test's own, in a temporary folder.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/testing/temp_dir.h"

namespace rlhf {

// Listens on a socket in its folder only. Ends with the test program, however
// that ends: start and restart it from the main thread. As root it runs as the
// user "postgres", since PostgreSQL refuses root.
class TestPostgres {
 public:
  static bool IsInstalled();

  // Dies if it cannot start. Without `sync` commits survive the end of the
  // server, but not of the machine, and tests are faster.
  static std::unique_ptr<TestPostgres> Start(bool sync);
  // One server for the whole program, started on first use, without sync.
  static TestPostgres& Shared();

  ~TestPostgres();

  // Of its database, by the socket in `folder` (empty: its own).
  std::string Url(const std::string& folder = "") const;
  // Its socket.
  std::string socket_path() const { return folder_ / ".s.PGSQL.5432"; }

  enum class StopMode {
    // Ends the sessions and writes everything down.
    kFast,
    // As a crash: recovers when it starts again.
    kImmediate,
  };
  void Stop(StopMode mode);
  absl::Status StartAgain();

 private:
  explicit TestPostgres(bool sync) : sync_(sync) {}
  absl::Status Init();

  const bool sync_;
  TempDir folder_;
  std::string programs_;
  pid_t server_ = -1;
};

}  // namespace rlhf
