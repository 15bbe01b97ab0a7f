#include "cli/doctor/measure_machine.h"

#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "cli/role_resources.h"
#include "core/base/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/base/write_all.h"
#include "trainer/parallel/rates.h"

namespace rlhf {
namespace {

constexpr int64_t kMostBytes = int64_t{64} << 20;
constexpr int64_t kPiece = int64_t{1} << 20;
constexpr int kSyncs = 15;

// `path`, or the nearest folder above it that is there.
std::string NearestFolder(std::string path) {
  while (!path.empty() && !FileExists(path)) {
    const size_t slash = path.rfind('/');
    if (slash == 0) return "/";
    path = slash == std::string::npos ? "" : path.substr(0, slash);
  }
  const char* const nearest = path.empty() ? "." : path.c_str();
  // "." says nothing to who reads it elsewhere.
  char whole[PATH_MAX];
  return ::realpath(nearest, whole) == nullptr ? nearest : whole;
}

absl::StatusOr<double> TimeSync(int fd, const std::string& path) {
  const std::string piece(4096, 'x');
  std::vector<double> seconds;
  for (int i = 0; i < kSyncs; ++i) {
    const Stopwatch watch;
    RLHF_RETURN_IF_ERROR(WriteAll(fd, piece, path));
    if (::fsync(fd) != 0) return ErrnoStatus(errno, "sync", path);
    seconds.push_back(watch.seconds());
  }
  std::nth_element(seconds.begin(), seconds.begin() + kSyncs / 2,
                   seconds.end());
  return seconds[kSyncs / 2];
}

absl::StatusOr<double> TimeWriting(int fd, int64_t bytes,
                                   const std::string& path) {
  const std::string piece(static_cast<size_t>(kPiece), 'x');
  const Stopwatch watch;
  for (int64_t done = 0; done < bytes; done += kPiece) {
    RLHF_RETURN_IF_ERROR(WriteAll(fd, piece, path));
  }
  if (::fsync(fd) != 0) return ErrnoStatus(errno, "sync", path);
  return watch.seconds();
}

// The number at the beginning of a file such as memory.max; nullopt if there
// is none ("max").
std::optional<int64_t> NumberIn(const std::string& path) {
  const auto text = ReadFile(path);
  int64_t number = 0;
  if (!text.ok() || !absl::SimpleAtoi(*text, &number)) return std::nullopt;
  return number;
}

// Of /proc/meminfo, in bytes.
int64_t MemInfo(const std::string& text, absl::string_view name) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    int64_t kib = 0;
    if (words.size() > 1 && words[0] == name &&
        absl::SimpleAtoi(words[1], &kib)) {
      return kib * 1024;
    }
  }
  return 0;
}

}  // namespace

absl::StatusOr<DiskFigures> MeasureDisk(const std::string& runs_dir) {
  DiskFigures disk = {.path = NearestFolder(runs_dir)};
  struct statvfs space = {};
  if (::statvfs(disk.path.c_str(), &space) != 0) {
    return ErrnoStatus(errno, "measure", disk.path);
  }
  disk.free_bytes = static_cast<int64_t>(space.f_bavail) *
                    static_cast<int64_t>(space.f_frsize);
  std::string name = disk.path + "/.rlhf-doctor-XXXXXX";
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return ErrnoStatus(errno, "write to", disk.path);
  const absl::Cleanup close = [fd] { ::close(fd); };
  ::unlink(name.c_str());
  RLHF_ASSIGN_OR_RETURN(disk.sync_s, TimeSync(fd, disk.path));
  const int64_t bytes = std::clamp(disk.free_bytes / 2, kPiece, kMostBytes);
  RLHF_ASSIGN_OR_RETURN(const double seconds,
                        TimeWriting(fd, bytes, disk.path));
  disk.write_bytes_per_s = static_cast<double>(bytes) / seconds;
  return disk;
}

MemoryFigures MeasureMemory() {
  const std::string text = ReadFile("/proc/meminfo").value_or("");
  MemoryFigures memory = {.available_bytes = MemInfo(text, "MemAvailable:"),
                          .total_bytes = MemInfo(text, "MemTotal:")};
  const std::string group = "/sys/fs/cgroup/";
  if (const auto most = NumberIn(group + "memory.max"); most.has_value()) {
    const int64_t used = NumberIn(group + "memory.current").value_or(0);
    memory.total_bytes = std::min(memory.total_bytes, *most);
    memory.available_bytes = std::min(memory.available_bytes, *most - used);
  }
  return memory;
}

std::optional<int64_t> FreeSharedMemory() {
  struct statvfs space = {};
  if (::statvfs("/dev/shm", &space) != 0) return std::nullopt;
  return static_cast<int64_t>(space.f_bavail) *
         static_cast<int64_t>(space.f_frsize);
}

int64_t OpenFileLimit() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int64_t>(std::min<rlim_t>(limit.rlim_cur, 1 << 30));
}

ProcessorFigures MeasureProcessor(at::ScalarType dtype) {
  ProcessorFigures processor = {
      .cores = static_cast<int>(CpusOfThisProcess().size()),
      .gemm_flops_per_s = MeasureGemm(dtype)};
  // "QUOTA PERIOD" in microseconds, or "max PERIOD".
  const std::string text = ReadFile("/sys/fs/cgroup/cpu.max").value_or("");
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  double quota = 0, period = 0;
  if (words.size() == 2 && absl::SimpleAtod(words[0], &quota) &&
      absl::SimpleAtod(words[1], &period) && period > 0) {
    processor.quota = quota / period;
  }
  return processor;
}

}  // namespace rlhf
