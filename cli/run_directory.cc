#include "cli/run_directory.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/config/address.h"
#include "core/config/listen_address.h"
#include "core/config/run_config.h"
#include "core/config/tls_checks.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// Fields that may change between two sessions of one run, because no finished
// result depends on them; a larger num_updates prolongs the run. Who may come
// in, and what is let in from now on, are people's to decide at any time.
bool MayChange(absl::string_view difference) {
  static constexpr absl::string_view kFields[] = {
      "threads",
      "listen_host",
      "ppo.num_updates",
      "feedback.max_comparisons",
      "feedback.ready_tasks",
      "feedback.max_answers_per_worker",
      "feedback.price_per_answer",
      "feedback.webhook_secret_file",
      "learner.checkpoint_every",
      "learner.checkpoints_kept",
      "learner.best_checkpoints_kept",
      "learner.snapshot_every",
      "learner.num_ranks",
      "learner.compare_parameters_every",
      "learner.max_kl_nats_per_sequence",
      "learner.on_divergence",
  };
  const absl::string_view field = difference.substr(0, difference.find(": "));
  return std::find(std::begin(kFields), std::end(kFields), field) !=
             std::end(kFields) ||
         absl::StartsWith(field, "crowd.") ||
         absl::StartsWith(field, "evaluation.") ||
         absl::StartsWith(field, "feedback.access.") ||
         absl::StartsWith(field, "feedback.batch_gate.") ||
         absl::StartsWith(field, "feedback.worker_test.") ||
         absl::StartsWith(field, "preference.refresh_") ||
         absl::StartsWith(field, "tls.") ||
         absl::StartsWith(field, "tracing.") ||
         absl::StartsWith(field, "up.") || absl::EndsWith(field, "address") ||
         absl::EndsWith(field, "_port") || absl::EndsWith(field, "_seconds");
}

absl::Status CheckSameRun(const std::string& path,
                          const v1::RunConfig& config) {
  const auto known = LoadRunConfig(path, {});
  if (!known.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the run's own configuration cannot be read: ",
        known.status().message(), "\ngive the new run another name, or remove ",
        path.substr(0, path.rfind('/'))));
  }
  std::vector<std::string> differences = DiffConfigs(*known, config);
  differences.erase(
      std::remove_if(differences.begin(), differences.end(), MayChange),
      differences.end());
  if (differences.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "run \"", config.name(), "\" was started with another configuration (",
      path, "):\n  ", absl::StrJoin(differences, "\n  "),
      "\ngive the new run another name (--set name=OTHER), undo the change, or "
      "remove ",
      path.substr(0, path.rfind('/')), " to start over"));
}

}  // namespace

absl::StatusOr<RunLock> RunLock::Acquire(const std::string& run_dir) {
  const std::string path = run_dir + "/up.lock";
  const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
    ::close(fd);
    return absl::FailedPreconditionError(
        absl::StrCat("another `rlhf up` works on ", run_dir,
                     "; stop it first, or give this run another name"));
  }
  return RunLock(fd);
}

RunLock::~RunLock() {
  if (fd_ >= 0) ::close(fd_);
}

RunLock::RunLock(RunLock&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)) {}

absl::Status PrepareRunDirectory(const std::string& run_dir,
                                 const v1::RunConfig& config) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(run_dir + "/logs"));
  const std::string path = run_dir + "/config.txtpb";
  if (FileExists(path)) RLHF_RETURN_IF_ERROR(CheckSameRun(path, config));
  return WriteFileAtomically(path, ResolvedText(config));
}

std::vector<ListenField> ListenFields(const v1::RunConfig& config) {
  const auto metrics = [](const std::string& field, int port) {
    return ListenField{field, absl::StrCat("127.0.0.1:", port)};
  };
  const auto grpc = [&config](const std::string& field,
                              const std::string& address) {
    return ListenField{field, ListenAddress(config, address)};
  };
  std::vector<ListenField> fields = {
      grpc("learner.address", config.learner().address()),
      metrics("learner.metrics_port", config.learner().metrics_port()),
      grpc("actor.address", config.actor().address()),
      metrics("actor.metrics_port", config.actor().metrics_port()),
      grpc("reward_server.address",
           FirstAddress(config.reward_server().address())),
      metrics("reward_server.metrics_port",
              config.reward_server().metrics_port()),
      grpc("preference.address", config.preference().address()),
      metrics("preference.metrics_port", config.preference().metrics_port()),
      {"feedback.http_address", config.feedback().http_address()},
      grpc("feedback.address", config.feedback().address()),
      metrics("up.metrics_port", config.up().metrics_port())};
  if (config.learner().weights_port() != 0) {
    const std::string& host = fields[0].address;
    fields.push_back({"learner.weights_port",
                      absl::StrCat(host.substr(0, host.rfind(':')), ":",
                                   config.learner().weights_port())});
  }
  for (int rank = 1; rank < config.learner().num_ranks(); ++rank) {
    fields.push_back(
        metrics(absl::StrCat("learner.rank_metrics_port plus rank ", rank),
                config.learner().rank_metrics_port() + rank));
  }
  for (int actor = 1; actor < config.up().num_actors(); ++actor) {
    fields.push_back(metrics(absl::StrCat("up.actor_metrics_port plus ", actor),
                             config.up().actor_metrics_port() + actor));
  }
  // A list that is none was refused with the file.
  const auto addresses =
      SplitAddresses(config.reward_server().address(), HasTls(config));
  for (int server = 1; server < config.up().num_reward_servers(); ++server) {
    if (!addresses.ok()) break;
    fields.push_back(grpc("reward_server.address",
                          addresses->at(static_cast<size_t>(server))));
    fields.push_back(
        metrics(absl::StrCat("up.reward_server_metrics_port plus ", server),
                config.up().reward_server_metrics_port() + server));
  }
  if (!config.crowd().workers().empty()) {
    fields.push_back(
        metrics("crowd.metrics_port", config.crowd().metrics_port()));
  }
  return fields;
}

absl::Status CheckPortsFree(const std::vector<ListenField>& fields) {
  std::vector<std::string> problems;
  std::map<std::string, std::string> field_of;
  for (const ListenField& listen : fields) {
    const auto [first, is_new] =
        field_of.try_emplace(listen.address, listen.field);
    if (!is_new) {
      problems.push_back(absl::StrCat(listen.field, ": ", listen.address,
                                      " is also ", first->second,
                                      "; give them different ports"));
      continue;
    }
    const auto socket = Listen(listen.address);
    if (socket.ok()) {
      ::close(socket->fd);
      continue;
    }
    const std::string name = listen.field.substr(0, listen.field.find(' '));
    problems.push_back(absl::StrCat(
        listen.field, ": ", socket.status().message(), " (--set ", name,
        absl::EndsWith(name, "port") ? "=PORT" : "=127.0.0.1:PORT",
        "; `ss -ltnp` shows who listens)"));
  }
  if (problems.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
}

}  // namespace rlhf
