#include "core/comm/weight_sender.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/base/clock.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/comm/weight_wire.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// The request is 24 bytes and comes with the connection.
constexpr absl::Duration kRequestTimeout = absl::Seconds(5);

// How often a stream that waits for a bucket looks whether it is still wanted.
constexpr absl::Duration kLook = absl::Milliseconds(100);

// Sent between two looks at the clock.
constexpr size_t kPieceBytes = 4 << 20;

// A host that vanished without a word is noticed by what it does not
// acknowledge.
void SetUserTimeout(int fd, absl::Duration timeout) {
  const auto value = static_cast<unsigned>(absl::ToInt64Milliseconds(timeout));
  ::setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof(value));
}

// sendfile has no flag against it. The signal comes to the thread that sends.
void BlockBrokenPipeSignal() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

bool SendHeader(int fd, const BucketHeader& header, int flags) {
  return ::send(fd, &header, sizeof(header), MSG_NOSIGNAL | flags) ==
         static_cast<ssize_t>(sizeof(header));
}

// The receiver says nothing after its request, so all that can come is its end.
bool HasLeft(int fd) {
  char byte;
  const ssize_t got = ::recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

absl::StatusOr<std::unique_ptr<WeightSender>> WeightSender::Start(
    const std::string& host, const Options& options) {
  RLHF_ASSIGN_OR_RETURN(const ListenSocket socket,
                        Listen(WithPort(host, options.port)));
  return std::unique_ptr<WeightSender>(
      new WeightSender(socket.fd, socket.port, options));
}

WeightSender::WeightSender(int listen_fd, int port, const Options& options)
    : options_(options),
      listen_fd_(listen_fd),
      port_(port),
      accepting_([this] { Accept(); }) {}

WeightSender::~WeightSender() {
  {
    MutexLock lock(&mutex_);
    stopped_ = true;
    stopping_.SignalAll();
    CutAllBut(nullptr, nullptr);
  }
  ::shutdown(listen_fd_, SHUT_RDWR);  // wakes accept
  accepting_.join();
  ::close(listen_fd_);
  // Nobody adds or removes streams any more, and those that end need the lock.
  std::list<Stream>* streams = nullptr;
  {
    MutexLock lock(&mutex_);
    streams = &streams_;
  }
  for (Stream& stream : *streams) stream.thread.join();
}

// What is dropped is freed after the lock is: it may be much memory.
void WeightSender::Offer(std::shared_ptr<const WeightVersion> version) {
  std::shared_ptr<const WeightVersion> dropped;
  MutexLock lock(&mutex_);
  if (version == newest_) return;
  std::swap(version, newest_);  // `version` is now the one before
  if (older_ == nullptr || !IsSent(older_)) {
    dropped = std::exchange(older_, IsSent(version) ? version : nullptr);
  }
  CutAllBut(newest_, older_);
}

void WeightSender::Withdraw() {
  std::shared_ptr<const WeightVersion> newest;
  std::shared_ptr<const WeightVersion> older;
  MutexLock lock(&mutex_);
  newest = std::exchange(newest_, nullptr);
  older = std::exchange(older_, nullptr);
  CutAllBut(nullptr, nullptr);
}

size_t WeightSender::num_streams() const {
  MutexLock lock(&mutex_);
  return static_cast<size_t>(
      std::count_if(streams_.begin(), streams_.end(),
                    [](const Stream& stream) { return !stream.ended; }));
}

bool WeightSender::IsSent(
    const std::shared_ptr<const WeightVersion>& version) const {
  return version != nullptr &&
         std::any_of(
             streams_.begin(), streams_.end(), [&](const Stream& stream) {
               return !stream.ended && !stream.cut && stream.version == version;
             });
}

// A stream whose request has not come yet may stay, but for the end of all.
void WeightSender::CutAllBut(
    const std::shared_ptr<const WeightVersion>& newest,
    const std::shared_ptr<const WeightVersion>& older) {
  for (Stream& stream : streams_) {
    if (stream.ended || (stream.version == nullptr && newest != nullptr) ||
        (stream.version != nullptr &&
         (stream.version == newest || stream.version == older))) {
      continue;
    }
    stream.cut = true;
    ::shutdown(stream.fd, SHUT_RDWR);
  }
}

void WeightSender::Accept() {
  while (true) {
    const int fd = ::accept4(listen_fd_, nullptr, nullptr, SOCK_CLOEXEC);
    const int error = errno;
    {
      MutexLock lock(&mutex_);
      if (stopped_) {
        if (fd >= 0) ::close(fd);
        return;
      }
      // Nothing that waiting does not mend: no descriptors, no memory.
      if (fd < 0 && error != EINTR && error != ECONNABORTED) {
        stopping_.WaitFor(&mutex_, kLook);
      }
    }
    if (fd >= 0) Admit(fd);
  }
}

void WeightSender::Admit(int fd) {
  MutexLock lock(&mutex_);
  Reap();
  if (stopped_ || streams_.size() >= options_.max_streams) {
    ::close(fd);
    return;
  }
  Stream& stream = streams_.emplace_back();
  stream.fd = fd;
  stream.thread = std::thread([this, &stream] { Run(&stream); });
}

// Joins threads that have done all they do under the lock: they end at once.
void WeightSender::Reap() {
  for (auto it = streams_.begin(); it != streams_.end();) {
    if (!it->ended) {
      ++it;
      continue;
    }
    it->thread.join();
    it = streams_.erase(it);
  }
}

void WeightSender::Run(Stream* stream) {
  BlockBrokenPipeSignal();
  SetTimeout(stream->fd, SO_RCVTIMEO, kRequestTimeout);
  SetTimeout(stream->fd, SO_SNDTIMEO, options_.patience);
  SetUserTimeout(stream->fd, options_.patience);
  Serve(stream);
  std::shared_ptr<const WeightVersion> served;
  std::shared_ptr<const WeightVersion> older;
  MutexLock lock(&mutex_);
  served = std::exchange(stream->version, nullptr);
  if (!IsSent(older_)) older = std::exchange(older_, nullptr);
  stream->ended = true;
  ::close(stream->fd);
}

void WeightSender::Serve(Stream* stream) {
  char bytes[sizeof(WeightRequest)];
  const ssize_t got = ::recv(stream->fd, bytes, sizeof(bytes), MSG_WAITALL);
  if (got <= 0) return;  // a probe, or nobody any more
  const absl::StatusOr<WeightRequest> request =
      ParseWeightRequest({bytes, static_cast<size_t>(got)});
  if (!request.ok()) {
    NoteRefused(request.status());
    return;
  }
  const auto version = Take(stream, request->version);
  if (version == nullptr || request->first_bucket > version->num_buckets()) {
    SendHeader(stream->fd, {.answer = BucketHeader::kNotHeld}, 0);
    return;
  }
  for (int b = static_cast<int>(request->first_bucket);
       b < version->num_buckets(); ++b) {
    if (!SendBucket(stream, *version, b)) return;
  }
}

void WeightSender::NoteRefused(const absl::Status& why) {
  {
    MutexLock lock(&mutex_);
    if (std::exchange(refused_, true)) return;
  }
  RLHF_LOG(WARNING) << "refused, as any more like it will be without a word: "
                    << why;
}

std::shared_ptr<const WeightVersion> WeightSender::Take(Stream* stream,
                                                        int64_t version) {
  MutexLock lock(&mutex_);
  // Of the older one only what is under way is sent.
  if (newest_ == nullptr || newest_->manifest().version() != version) {
    return nullptr;
  }
  stream->version = newest_;
  return newest_;
}

bool WeightSender::SendBucket(Stream* stream, const WeightVersion& version,
                              int bucket) {
  std::shared_ptr<const SharedMemory> memory;
  while ((memory = version.Await(bucket, kLook)) == nullptr) {
    if (IsCut(stream) || HasLeft(stream->fd)) return false;
  }
  if (IsCut(stream)) return false;
  const BucketHeader header = {.bucket = bucket, .num_bytes = memory->size()};
  return SendHeader(stream->fd, header, memory->size() > 0 ? MSG_MORE : 0) &&
         SendBytes(stream->fd, *memory);
}

bool WeightSender::SendBytes(int fd, const SharedMemory& bucket) {
  off_t offset = 0;
  while (static_cast<size_t>(offset) < bucket.size()) {
    const ssize_t sent =
        ::sendfile(fd, bucket.fd(), &offset,
                   std::min(kPieceBytes, bucket.size() - offset));
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;  // gone, cut off, or out of patience
    if (options_.on_sent) options_.on_sent(static_cast<uint64_t>(sent));
  }
  return true;
}

bool WeightSender::IsCut(const Stream* stream) const {
  MutexLock lock(&mutex_);
  return stream->cut;
}

}  // namespace rlhf
