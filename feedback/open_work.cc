#include "feedback/open_work.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr char kTaskPrefix[] = "task-";
constexpr char kTurnPrefix[] = "turn-";
// One process at a time writes here.
constexpr char kTemporary[] = "temporary";

absl::Status WriteTemporary(const std::string& temporary,
                            const std::string& contents) {
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, "create", temporary);
  const ssize_t written = ::write(fd, contents.data(), contents.size());
  const int error = errno;
  ::close(fd);
  if (written < 0) return ErrnoStatus(error, "write", temporary);
  if (static_cast<size_t>(written) != contents.size()) {
    return ErrnoStatus(ENOSPC, "write", temporary);
  }
  return absl::OkStatus();
}

// Whole or absent, for whoever reads it after this process; not synced.
absl::Status WriteWhole(const std::string& folder, const std::string& path,
                        const std::string& contents) {
  const std::string temporary = absl::StrCat(folder, "/", kTemporary);
  absl::Status status = WriteTemporary(temporary, contents);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, "rename to", path);
  }
  // A worker's words stay nowhere that nobody looks.
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

// Fine if it is not there.
absl::Status Unlink(const std::string& path) {
  if (::unlink(path.c_str()) == 0 || errno == ENOENT) return absl::OkStatus();
  return ErrnoStatus(errno, "remove", path);
}

// Keeps `id` among the undone ones if it failed.
void Note(const absl::Status& status, const std::string& id,
          std::vector<std::string>& ids, OpenWork::Undone& undone) {
  if (status.ok()) return;
  undone.status.Update(status);
  ids.push_back(id);
}

std::string TaskName(const std::string& task_id) {
  return absl::StrCat(kTaskPrefix, task_id);
}

std::string TurnName(const std::string& worker_id) {
  // A name may hold anything.
  return absl::StrCat(kTurnPrefix, Sha256Hex(worker_id).substr(0, 32));
}

// Whether `text` is a whole record, in the file that is its own: it is written
// again by what it says.
bool Take(const std::string& name, const std::string& text,
          OpenWork::Found& found) {
  if (absl::StartsWith(name, kTaskPrefix)) {
    v1::OpenTask task;
    if (!task.ParseFromString(text) || task.task_id().empty() ||
        name != TaskName(task.task_id())) {
      return false;
    }
    found.tasks.push_back(std::move(task));
    return true;
  }
  v1::WaitingTurn turn;
  if (!absl::StartsWith(name, kTurnPrefix) || !turn.ParseFromString(text) ||
      turn.worker_id().empty() || name != TurnName(turn.worker_id())) {
    return false;
  }
  found.turns.push_back(std::move(turn));
  return true;
}

}  // namespace

absl::StatusOr<OpenWork> OpenWork::Open(const std::string& folder,
                                        Found& found) {
  RLHF_RETURN_IF_ERROR(MakeDirectories(folder));
  for (const std::string& name : ListDirectory(folder)) {
    const std::string path = absl::StrCat(folder, "/", name);
    RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    if (Take(name, text, found)) continue;
    if (name != kTemporary) {
      RLHF_LOG(WARNING) << path << " is no work in hand: removed";
    }
    ::unlink(path.c_str());
  }
  return OpenWork(folder);
}

absl::Status OpenWork::RemoveWorker(const std::string& folder,
                                    const std::string& worker_id) {
  if (!FileExists(folder)) return absl::OkStatus();
  Found found;
  RLHF_ASSIGN_OR_RETURN(OpenWork work, Open(folder, found));
  Changes changes = {.gone_turns = {worker_id}};
  for (v1::OpenTask& task : found.tasks) {
    auto& holders = *task.mutable_holders();
    const auto first = std::remove_if(holders.begin(), holders.end(),
                                      [&](const v1::TaskHolder& holder) {
                                        return holder.worker_id() == worker_id;
                                      });
    if (first == holders.end() && task.owner() != worker_id) continue;
    holders.erase(first, holders.end());
    if (holders.empty() || task.owner() == worker_id) {
      changes.gone_tasks.push_back(task.task_id());
    } else {
      changes.tasks.push_back(std::move(task));
    }
  }
  return work.Apply(changes).status;
}

absl::Status OpenWork::RemoveAnswers(
    const std::string& folder, const std::vector<std::string>& comparison_ids) {
  if (!FileExists(folder)) return absl::OkStatus();
  Found found;
  RLHF_ASSIGN_OR_RETURN(OpenWork work, Open(folder, found));
  const std::set<std::string> ids(comparison_ids.begin(), comparison_ids.end());
  Changes changes;
  for (const v1::OpenTask& task : found.tasks) {
    if (ids.contains(task.carried_on_from())) {
      changes.gone_tasks.push_back(task.task_id());
    }
  }
  for (const v1::WaitingTurn& turn : found.turns) {
    if (ids.contains(turn.comparison_id())) {
      changes.gone_turns.push_back(turn.worker_id());
    }
  }
  return work.Apply(changes).status;
}

std::string OpenWork::TaskPath(const std::string& task_id) const {
  return absl::StrCat(folder_, "/", TaskName(task_id));
}

std::string OpenWork::TurnPath(const std::string& worker_id) const {
  return absl::StrCat(folder_, "/", TurnName(worker_id));
}

OpenWork::Undone OpenWork::Write(const Changes& changes) const {
  Undone undone;
  for (const v1::OpenTask& task : changes.tasks) {
    Note(
        WriteWhole(folder_, TaskPath(task.task_id()), task.SerializeAsString()),
        task.task_id(), undone.task_ids, undone);
  }
  for (const v1::WaitingTurn& turn : changes.turns) {
    Note(WriteWhole(folder_, TurnPath(turn.worker_id()),
                    turn.SerializeAsString()),
         turn.worker_id(), undone.worker_ids, undone);
  }
  return undone;
}

OpenWork::Undone OpenWork::Apply(const Changes& changes) {
  if (folder_.empty()) return {};
  Undone undone = Write(changes);
  const bool all_is_written = undone.status.ok();
  for (const std::string& task_id : changes.gone_tasks) {
    Note(Unlink(TaskPath(task_id)), task_id, undone.task_ids, undone);
  }
  for (const std::string& worker_id : changes.gone_turns) {
    if (all_is_written) {
      Note(Unlink(TurnPath(worker_id)), worker_id, undone.worker_ids, undone);
    } else {
      undone.worker_ids.push_back(worker_id);
    }
  }
  if (!undone.status.ok() && !failing_) {
    RLHF_LOG(WARNING) << "a restart now would not know who works on what: "
                      << undone.status;
  }
  failing_ = !undone.status.ok();
  return undone;
}

}  // namespace rlhf
