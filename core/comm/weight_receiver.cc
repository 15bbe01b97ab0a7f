#include "core/comm/weight_receiver.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/hash.h"
#include "core/base/status_macros.h"
#include "core/comm/weight_wire.h"

namespace rlhf {
namespace {

constexpr absl::Duration kConnectTimeout = absl::Seconds(2);
constexpr absl::Duration kTick = absl::Milliseconds(250);

// Small enough to be hashed while it is in the second cache.
constexpr size_t kPieceBytes = 256 << 10;

// A connected socket, which the caller owns.
absl::StatusOr<int> Connect(const std::string& source) {
  const size_t colon = source.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    return absl::UnavailableError(
        absl::StrCat("\"", source, "\" is no source; wanted HOST:PORT"));
  }
  std::string host = source.substr(0, colon);
  if (host.front() == '[') host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), source.c_str() + colon + 1,
                                      &hints, &found);
      error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot look up ", source, ": ", ::gai_strerror(error)));
  }
  const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
  int error = 0;
  for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
    const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
      error = errno;
      continue;
    }
    SetTimeout(fd, SO_SNDTIMEO, kConnectTimeout);
    if (::connect(fd, a->ai_addr, a->ai_addrlen) == 0) return fd;
    error = errno;
    ::close(fd);
  }
  return absl::UnavailableError(
      absl::StrCat("cannot connect to ", source, ": ", std::strerror(error)));
}

// The connection to one source and what is due on it.
class Source {
 public:
  Source(const std::string& name, int fd, const WeightVersion& version,
         const ReceiveOptions& options)
      : name_(name), fd_(fd), version_(version), options_(options) {
    SetTimeout(fd, SO_RCVTIMEO, kTick);
  }

  absl::Status Request() {
    const WeightRequest request = {.version = version_.manifest().version(),
                                   .first_bucket = version_.num_proven()};
    here_ = version_.proven_bytes();
    if (::send(fd_, &request, sizeof(request), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(sizeof(request))) {
      return Broke();
    }
    return absl::OkStatus();
  }

  // Fills `data`; tells `hash`, unless it is null, of every piece.
  absl::Status Fill(char* data, size_t size, Xxh3Stream* hash) {
    size_t filled = 0;
    while (filled < size) {
      const ssize_t got =
          ::recv(fd_, data + filled, std::min(kPieceBytes, size - filled),
                 MSG_WAITALL);
      if (got == 0) return Broke();
      if (got < 0 && errno != EAGAIN && errno != EINTR) return Broke();
      if (got > 0) {
        moved_ = MonotonicNow();
        if (hash != nullptr) {
          hash->Update({data + filled, static_cast<size_t>(got)});
          here_ += static_cast<uint64_t>(got);
        }
        filled += static_cast<size_t>(got);
      }
      RLHF_RETURN_IF_ERROR(Tick());
    }
    return absl::OkStatus();
  }

  absl::Status NextHeader() {
    char bytes[sizeof(BucketHeader)];
    RLHF_RETURN_IF_ERROR(Fill(bytes, sizeof(bytes), nullptr));
    const absl::StatusOr<BucketHeader> header =
        ParseBucketHeader({bytes, sizeof(bytes)});
    if (!header.ok()) {
      return WithContext(header.status(), absl::StrCat("from ", name_));
    }
    const int64_t version = version_.manifest().version();
    if (header->answer == BucketHeader::kNotHeld) {
      return absl::NotFoundError(
          absl::StrCat(name_, " does not have weights version ", version));
    }
    const int bucket = version_.num_proven();
    const uint64_t num_bytes = version_.manifest().buckets(bucket).num_bytes();
    if (header->bucket != bucket || header->num_bytes != num_bytes) {
      return absl::DataLossError(absl::StrCat(
          name_, " sent something else than bucket ", bucket,
          " of weights version ", version, ", which has ", num_bytes,
          " bytes: bucket ", header->bucket, " of ", header->num_bytes));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status Broke() const {
    return absl::UnavailableError(
        absl::StrCat("the connection to ", name_, " broke"));
  }

  absl::Status Tick() {
    const absl::Time now = MonotonicNow();
    if (now - moved_ > options_.stall) {
      return absl::DeadlineExceededError(absl::StrCat(
          name_, " has sent nothing for ", absl::FormatDuration(now - moved_)));
    }
    if (options_.tick == nullptr || now - ticked_ < kTick) {
      return absl::OkStatus();
    }
    const absl::Status status = options_.tick(here_);
    // It may have waited for somebody who does not answer.
    ticked_ = MonotonicNow();
    return status;
  }

  const std::string& name_;
  const int fd_;
  const WeightVersion& version_;
  const ReceiveOptions& options_;
  uint64_t here_ = 0;  // bytes of the version
  absl::Time moved_ = MonotonicNow();
  absl::Time ticked_ = MonotonicNow();
};

}  // namespace

absl::Status ReceiveWeights(const std::string& source, WeightVersion& version,
                            const ReceiveOptions& options) {
  RLHF_ASSIGN_OR_RETURN(const int fd, Connect(source));
  const absl::Cleanup close = [fd] { ::close(fd); };
  Source from(source, fd, version, options);
  RLHF_RETURN_IF_ERROR(from.Request());
  while (!version.whole()) {
    RLHF_RETURN_IF_ERROR(from.NextHeader());
    RLHF_ASSIGN_OR_RETURN(char* const data, version.NextBucket());
    const int bucket = version.num_proven();
    Xxh3Stream hash;
    RLHF_RETURN_IF_ERROR(
        from.Fill(data, version.manifest().buckets(bucket).num_bytes(), &hash));
    RLHF_RETURN_IF_ERROR(WithContext(version.Prove(hash.Digest()),
                                     absl::StrCat("from ", source)));
  }
  return absl::OkStatus();
}

}  // namespace rlhf
