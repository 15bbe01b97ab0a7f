#include "trainer/experience/rollout_journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/base/file.h"
#include "core/base/hash.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr size_t kFrameBytes = sizeof(uint32_t) + sizeof(uint64_t);

void AppendRecord(const google::protobuf::Message& message,
                  std::string& bytes) {
  const std::string body = message.SerializeAsString();
  const auto length = static_cast<uint32_t>(body.size());
  const uint64_t hash = Xxh3(body);
  bytes.append(reinterpret_cast<const char*>(&length), sizeof(length));
  bytes.append(reinterpret_cast<const char*>(&hash), sizeof(hash));
  bytes.append(body);
}

// The record at the front of `bytes`; not intact if it was cut off or damaged.
struct Record {
  bool intact = false;
  absl::string_view body;
};

Record FirstRecord(absl::string_view bytes) {
  Record record;
  if (bytes.size() < kFrameBytes) return record;
  uint32_t length = 0;
  uint64_t hash = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  std::memcpy(&hash, bytes.data() + sizeof(length), sizeof(hash));
  if (bytes.size() - kFrameBytes < length) return record;
  record.body = bytes.substr(kFrameBytes, length);
  record.intact = Xxh3(record.body) == hash;
  return record;
}

// Whether an intact record begins anywhere in `bytes`. A 64-bit hash makes a
// chance match as good as impossible.
bool HoldsARecord(absl::string_view bytes) {
  for (; !bytes.empty(); bytes.remove_prefix(1)) {
    if (FirstRecord(bytes).intact) return true;
  }
  return false;
}

// Parses `bytes`; returns the size of the intact part.
absl::StatusOr<int64_t> Parse(const std::string& path, absl::string_view bytes,
                              JournalContents& contents) {
  size_t offset = 0;
  bool first = true;
  while (offset < bytes.size()) {
    const Record record = FirstRecord(bytes.substr(offset));
    // Nothing intact from here on: a write that a crash cut short. With intact
    // records behind it, it is damage to what was acknowledged (the length may
    // be what is damaged, so the end of this record is not known).
    if (!record.intact && !HoldsARecord(bytes.substr(offset + 1))) break;
    const std::string body(record.body);
    const bool parsed =
        record.intact &&
        (first ? contents.header.ParseFromString(body)
               : contents.rollouts.emplace_back().ParseFromString(body));
    if (!parsed) {
      return absl::DataLossError(absl::StrCat(
          path, ": the record at offset ", offset,
          " is damaged; restore the file or delete it to sample anew"));
    }
    first = false;
    offset += kFrameBytes + body.size();
  }
  if (first) {
    return absl::DataLossError(
        absl::StrCat(path,
                     ": no intact header; delete the file to sample "
                     "this batch anew"));
  }
  return static_cast<int64_t>(offset);
}

absl::Status WriteAt(int fd, const std::string& bytes, int64_t offset,
                     const std::string& path) {
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t written =
        ::pwrite(fd, bytes.data() + done, bytes.size() - done,
                 offset + static_cast<int64_t>(done));
    if (written < 0) {
      if (errno == EINTR) continue;
      return ErrnoStatus(errno, "write", path);
    }
    done += static_cast<size_t>(written);
  }
  if (::fdatasync(fd) != 0) return ErrnoStatus(errno, "sync", path);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RolloutJournal> RolloutJournal::Create(
    const std::string& path, const v1::BatchHeader& header) {
  if (FileExists(path)) {
    return absl::AlreadyExistsError(absl::StrCat(path, " exists already"));
  }
  // The file appears with its header or not at all.
  std::string bytes;
  AppendRecord(header, bytes);
  RLHF_RETURN_IF_ERROR(WriteFileAtomically(path, bytes));
  JournalContents contents;
  return Open(path, contents);
}

absl::StatusOr<RolloutJournal> RolloutJournal::Open(const std::string& path,
                                                    JournalContents& contents) {
  contents = JournalContents();
  RLHF_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  RLHF_ASSIGN_OR_RETURN(const int64_t size, Parse(path, bytes, contents));
  const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "open", path);
  RolloutJournal journal(path, fd, size);
  if (static_cast<size_t>(size) < bytes.size()) {
    RLHF_LOG(WARNING) << path << ": dropped " << bytes.size() - size
                      << " bytes at offset " << size
                      << ", a record that a crash cut off";
  }
  if (::ftruncate(fd, size) != 0) return ErrnoStatus(errno, "truncate", path);
  return journal;
}

absl::StatusOr<JournalContents> RolloutJournal::Read(const std::string& path) {
  JournalContents contents;
  RLHF_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(path));
  RLHF_RETURN_IF_ERROR(Parse(path, bytes, contents).status());
  return contents;
}

RolloutJournal::RolloutJournal(RolloutJournal&& other) noexcept
    : path_(std::move(other.path_)),
      fd_(std::exchange(other.fd_, -1)),
      size_(other.size_) {}

RolloutJournal& RolloutJournal::operator=(RolloutJournal&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(fd_, other.fd_);
  std::swap(size_, other.size_);
  return *this;
}

RolloutJournal::~RolloutJournal() {
  if (fd_ >= 0) ::close(fd_);
}

absl::Status RolloutJournal::Append(const std::vector<v1::Rollout>& rollouts) {
  std::string bytes;
  for (const v1::Rollout& rollout : rollouts) AppendRecord(rollout, bytes);
  const absl::Status status = WriteAt(fd_, bytes, size_, path_);
  if (!status.ok()) {
    // What was half written must not stand before the next record.
    [[maybe_unused]] const int ignored = ::ftruncate(fd_, size_);
    return status;
  }
  size_ += static_cast<int64_t>(bytes.size());
  return absl::OkStatus();
}

absl::Status RolloutJournal::MoveTo(const std::string& path) {
  if (std::rename(path_.c_str(), path.c_str()) != 0) {
    return ErrnoStatus(errno, "rename to", path);
  }
  path_ = path;
  return SyncPath(path.substr(0, path.rfind('/')));
}

std::string JournalPath(const std::string& run_directory, int64_t update) {
  return absl::StrFormat("%s/rollouts/%06d.pb", run_directory, update);
}

std::string PoisonedJournalPath(const std::string& run_directory,
                                int64_t update) {
  return absl::StrFormat("%s/rollouts/%06d.poisoned.pb", run_directory, update);
}

}  // namespace rlhf
