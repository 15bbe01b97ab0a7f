#include "cli/local_ranks.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

constexpr char kThisMachine[] = "127.0.0.1";
constexpr int kLogLinesShown = 15;

}  // namespace

absl::StatusOr<std::string> ThisBinary() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof(path));
  if (size <= 0) {
    return absl::UnavailableError("cannot read /proc/self/exe");
  }
  return std::string(path, static_cast<size_t>(size));
}

absl::StatusOr<int> FreePort() {
  RLHF_ASSIGN_OR_RETURN(const ListenSocket socket,
                        Listen(absl::StrCat(kThisMachine, ":0")));
  ::close(socket.fd);
  return socket.port;
}

std::vector<std::string> RankEnvironment(int rank, int num_ranks,
                                         int master_port) {
  return {absl::StrCat("RANK=", rank), absl::StrCat("LOCAL_RANK=", rank),
          absl::StrCat("WORLD_SIZE=", num_ranks),
          absl::StrCat("LOCAL_WORLD_SIZE=", num_ranks),
          absl::StrCat("MASTER_ADDR=", kThisMachine),
          absl::StrCat("MASTER_PORT=", master_port),
          // Nobody else keeps the ranks' store, has started them before, or
          // waits for what they say of a failure.
          "TORCHELASTIC_USE_AGENT_STORE=False", "TORCHELASTIC_RESTART_COUNT=0",
          "TORCHELASTIC_ERROR_FILE="};
}

absl::StatusOr<std::unique_ptr<OtherRanks>> OtherRanks::Start(
    const std::vector<std::string>& args, int num_ranks, int threads,
    const std::string& log_base) {
  RLHF_ASSIGN_OR_RETURN(const std::string binary, ThisBinary());
  RLHF_ASSIGN_OR_RETURN(const int port, FreePort());
  const size_t slash = log_base.rfind('/');
  if (slash != std::string::npos && slash > 0) {
    RLHF_RETURN_IF_ERROR(MakeDirectories(log_base.substr(0, slash)));
  }
  std::vector<ProcessSpec> specs;
  for (int rank = 1; rank < num_ranks; ++rank) {
    ProcessSpec& spec = specs.emplace_back();
    spec.role = absl::StrCat("rank ", rank);
    spec.argv = args;
    spec.argv.insert(spec.argv.begin(), binary);
    spec.environment = RankEnvironment(rank, num_ranks, port);
    spec.environment.push_back(
        absl::StrCat("OMP_NUM_THREADS=", std::max(1, threads / num_ranks)));
    spec.log_path = absl::StrCat(log_base, ".rank-", rank, ".log");
  }
  const LaunchInfo launch = {.launcher = "rlhf",
                             .world_size = num_ranks,
                             .local_world_size = num_ranks,
                             .master_address = kThisMachine,
                             .master_port = port};
  std::unique_ptr<OtherRanks> ranks(new OtherRanks(std::move(specs), launch));
  RLHF_RETURN_IF_ERROR(ranks->supervisor_.Start());
  return ranks;
}

OtherRanks::OtherRanks(std::vector<ProcessSpec> specs, const LaunchInfo& launch)
    : launch_(launch), supervisor_(specs, SupervisorOptions()) {
  for (const ProcessSpec& spec : specs) logs_.push_back(spec.log_path);
}

absl::Status OtherRanks::End(const absl::Status& result) const {
  if (result.ok()) {
    for (const std::string& log : logs_) ::unlink(log.c_str());
    return result;
  }
  std::string message(result.message());
  for (const std::string& log : logs_) {
    const std::string end = LastLines(log, kLogLinesShown);
    if (!end.empty()) absl::StrAppend(&message, "\n", log, " ends:\n", end);
  }
  return absl::Status(result.code(), message);
}

}  // namespace rlhf
