#include "core/comm/rank_watch.h"

#include <netdb.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <random>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "core/base/check.h"
#include "core/base/clock.h"
#include "core/base/shutdown.h"
#include "core/base/status_macros.h"
#include "core/comm/local_address.h"
#include "core/telemetry/listen_socket.h"

namespace rlhf {
namespace {

// What ranks say, a line each; the first word decides.
constexpr char kBeat[] = "beat ";      // and what the rank does
constexpr char kFailed[] = "failed ";  // and who failed, and how
constexpr char kBye[] = "bye";
constexpr char kStop[] = "stop";

constexpr absl::Duration kLongestBeat = absl::Milliseconds(500);
constexpr size_t kLongestLine = 1000;

// The ranks have met by the same name already.
constexpr absl::Duration kLookUpTime = absl::Seconds(5);

std::string AsLine(absl::string_view text) {
  return absl::StrReplaceAll(text.substr(0, kLongestLine), {{"\n", " "}});
}

// A full buffer belongs to a peer that does not read, which is judged anyway.
void Send(int fd, const std::string& line) {
  if (fd < 0) return;
  const std::string bytes = line + "\n";
  [[maybe_unused]] const auto sent =
      ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// Waits for input; false if `deadline` passed first.
bool WaitReadable(int fd, absl::Time deadline) {
  pollfd poll_fd = {.fd = fd, .events = POLLIN, .revents = 0};
  const auto left = absl::ToInt64Milliseconds(deadline - MonotonicNow());
  return ::poll(&poll_fd, 1, static_cast<int>(std::max<int64_t>(0, left))) > 0;
}

// The rank that a new connection says it is in its first line, which is sent at
// once; -1 for a stranger. What follows the line is left to be read.
int ReadHello(int fd, const std::string& secret, int world_size) {
  char buffer[64];
  if (!WaitReadable(fd, MonotonicNow() + absl::Seconds(5))) return -1;
  const ssize_t size = ::recv(fd, buffer, sizeof(buffer), MSG_PEEK);
  if (size <= 0) return -1;
  std::string line(buffer, static_cast<size_t>(size));
  const size_t end = line.find('\n');
  if (end == std::string::npos) return -1;
  line.resize(end);
  ::recv(fd, buffer, end + 1, 0);
  const std::vector<std::string> words = absl::StrSplit(line, ' ');
  int rank = -1;
  if (words.size() != 2 || words[0] != secret ||
      !absl::SimpleAtoi(words[1], &rank) || rank < 1 || rank >= world_size) {
    return -1;
  }
  return rank;
}

// Connections from all other ranks by rank, -1 first.
absl::StatusOr<std::vector<int>> AcceptAll(int listen_fd,
                                           const std::string& secret,
                                           int world_size,
                                           absl::Duration timeout) {
  const absl::Time deadline = MonotonicNow() + timeout;
  std::vector<int> fds(world_size, -1);
  for (int num_missing = world_size - 1; num_missing > 0;) {
    if (!WaitReadable(listen_fd, deadline)) {
      std::vector<int> missing;
      for (int rank = 1; rank < world_size; ++rank) {
        if (fds[rank] < 0) missing.push_back(rank);
      }
      for (const int fd : fds) ::close(fd);
      return absl::UnavailableError(absl::StrCat(
          "rank ", absl::StrJoin(missing, ", "), " joined but did not connect ",
          "to rank 0 within ", absl::FormatDuration(timeout)));
    }
    const int fd = ::accept4(listen_fd, nullptr, nullptr, SOCK_CLOEXEC);
    const int rank = fd < 0 ? -1 : ReadHello(fd, secret, world_size);
    if (rank < 0 || fds[rank] >= 0) {
      if (fd >= 0) ::close(fd);
      continue;
    }
    fds[rank] = fd;
    --num_missing;
  }
  return fds;
}

absl::StatusOr<int> Connect(const std::string& host, const std::string& port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), port.c_str(), &hints, &found) == 0) {
    const absl::Cleanup release = [found] { ::freeaddrinfo(found); };
    for (const addrinfo* a = found; a != nullptr; a = a->ai_next) {
      const int fd = ::socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
      if (fd >= 0 && ::connect(fd, a->ai_addr, a->ai_addrlen) == 0) return fd;
      if (fd >= 0) ::close(fd);
    }
  }
  return absl::UnavailableError(
      absl::StrCat("cannot reach rank 0 at ", host, ":", port));
}

// On the interface by which the others know this machine, and no other.
absl::StatusOr<ListenSocket> ListenFor(const std::string& master_address) {
  RLHF_ASSIGN_OR_RETURN(const std::string own,
                        LocalAddressKnownAs(master_address, kLookUpTime));
  return Listen(WithPort(own, 0));
}

// Rank 0's part of the start: connections by rank.
absl::StatusOr<std::vector<int>> Gather(Communicator& communicator,
                                        const RankWatch::Options& options) {
  const auto socket = ListenFor(options.master_address);
  // Not a matter of secrecy: it keeps out whoever connects by mistake.
  const std::string secret = absl::StrCat(std::random_device()());
  std::string invitation =
      socket.ok() ? absl::StrCat(socket->port, " ", secret) : "none";
  RLHF_RETURN_IF_ERROR(communicator.BroadcastBytes(invitation));
  RLHF_RETURN_IF_ERROR(socket.status());
  const absl::Cleanup close = [&] { ::close(socket->fd); };
  return AcceptAll(socket->fd, secret, communicator.world_size(),
                   options.connect_timeout);
}

absl::StatusOr<int> Follow(Communicator& communicator,
                           const RankWatch::Options& options) {
  std::string invitation;
  RLHF_RETURN_IF_ERROR(communicator.BroadcastBytes(invitation));
  const std::vector<std::string> words = absl::StrSplit(invitation, ' ');
  if (words.size() != 2) {
    return absl::AbortedError("rank 0 cannot listen for the other ranks");
  }
  RLHF_ASSIGN_OR_RETURN(const int fd,
                        Connect(options.master_address, words[0]));
  Send(fd, absl::StrCat(words[1], " ", communicator.rank()));
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RankWatch>> RankWatch::Start(
    Communicator& communicator, const Options& options) {
  communicator.Describe("start of the rank watch");
  std::vector<Peer> peers;
  if (communicator.rank() == 0) {
    RLHF_ASSIGN_OR_RETURN(const std::vector<int> fds,
                          Gather(communicator, options));
    for (int rank = 1; rank < communicator.world_size(); ++rank) {
      peers.push_back({.rank = rank, .fd = fds[rank]});
    }
  } else {
    RLHF_ASSIGN_OR_RETURN(const int fd, Follow(communicator, options));
    peers.push_back({.rank = 0, .fd = fd});
  }
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  RLHF_CHECK(wake_fd >= 0);
  return std::unique_ptr<RankWatch>(
      new RankWatch(communicator, options, std::move(peers), wake_fd));
}

RankWatch::RankWatch(Communicator& communicator, const Options& options,
                     std::vector<Peer> peers, int wake_fd)
    : communicator_(communicator),
      options_(options),
      wake_fd_(wake_fd),
      peers_(std::move(peers)),
      activities_(communicator.world_size()) {
  for (Peer& peer : peers_) {
    peer.heard = MonotonicNow();
    // To start is collective: so far they do what this rank does.
    activities_[peer.rank] = communicator.description();
  }
  thread_ = std::jthread([this] { Run(); });
}

RankWatch::~RankWatch() {
  Leave(absl::OkStatus());
  for (const Peer& peer : peers_) {
    if (peer.fd >= 0) ::close(peer.fd);
  }
  ::close(wake_fd_);
}

void RankWatch::Leave(const absl::Status& why) {
  if (!thread_.joinable()) return;
  {
    MutexLock lock(&mutex_);
    last_words_ = why.ok()
                      ? kBye
                      : absl::StrCat(kFailed, "rank ", communicator_.rank(),
                                     " failed: ", AsLine(why.message()));
  }
  leaving_ = true;
  const uint64_t one = 1;
  [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof(one));
  thread_.join();
}

std::string RankWatch::Activities() const {
  MutexLock lock(&mutex_);
  std::vector<std::string> lines;
  for (size_t rank = 0; rank < activities_.size(); ++rank) {
    if (activities_[rank].empty()) continue;
    lines.push_back(absl::StrCat("rank ", rank, ": ", activities_[rank]));
  }
  return absl::StrJoin(lines, "\n");
}

void RankWatch::Run() {
  const absl::Duration beat = std::min(options_.timeout / 4, kLongestBeat);
  absl::Time next_beat = absl::InfinitePast();
  absl::Time last_look = MonotonicNow();
  while (!leaving_) {
    absl::Time now = MonotonicNow();
    if (now >= next_beat) {
      next_beat = now + beat;
      SendToAll(kBeat + AsLine(communicator_.description()));
    }
    if (ShutdownRequested() && !std::exchange(told_to_stop_, true)) {
      SendToAll(kStop);
    }
    WaitForNews();
    now = MonotonicNow();
    // If it was this process that stood still, the others get their time again.
    if (now - last_look > options_.timeout / 2) {
      for (Peer& peer : peers_) peer.heard = now;
    }
    last_look = now;
    FindSilent(now);
  }
  MutexLock lock(&mutex_);
  SendToAll(last_words_);
}

void RankWatch::WaitForNews() {
  std::vector<pollfd> fds;
  fds.push_back({.fd = wake_fd_, .events = POLLIN, .revents = 0});
  // poll passes over negative descriptors.
  for (const Peer& peer : peers_) {
    fds.push_back({.fd = peer.fd, .events = POLLIN, .revents = 0});
  }
  const absl::Duration look =
      std::min(options_.timeout / 4, absl::Milliseconds(100));
  ::poll(fds.data(), fds.size(),
         static_cast<int>(absl::ToInt64Milliseconds(look)));
  for (size_t i = 0; i < peers_.size(); ++i) {
    if (fds[i + 1].revents != 0) Read(peers_[i]);
  }
}

void RankWatch::Read(Peer& peer) {
  char buffer[4096];
  const ssize_t size = ::recv(peer.fd, buffer, sizeof(buffer), MSG_DONTWAIT);
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (size <= 0) {
    ::close(std::exchange(peer.fd, -1));
    Fail(absl::StrCat("rank ", peer.rank,
                      " died: its connection was closed without a word"));
    return;
  }
  peer.heard = MonotonicNow();
  peer.unread.append(buffer, static_cast<size_t>(size));
  size_t end = 0;
  while (peer.fd >= 0 && (end = peer.unread.find('\n')) != std::string::npos) {
    const std::string line = peer.unread.substr(0, end);
    peer.unread.erase(0, end + 1);
    Handle(peer, line);
  }
}

void RankWatch::Handle(Peer& peer, const std::string& line) {
  absl::string_view rest = line;
  if (absl::ConsumePrefix(&rest, kBeat)) {
    MutexLock lock(&mutex_);
    activities_[peer.rank] = std::string(rest);
  } else if (absl::ConsumePrefix(&rest, kFailed)) {
    Fail(std::string(rest));
  } else if (rest == kStop) {
    // Rank 0 passes it on with its next look at ShutdownRequested.
    RequestShutdown();
  } else if (rest == kBye) {
    ::close(std::exchange(peer.fd, -1));
  }
}

void RankWatch::FindSilent(absl::Time now) {
  for (const Peer& peer : peers_) {
    if (peer.fd < 0 || now - peer.heard <= options_.timeout) continue;
    std::string doing;
    {
      MutexLock lock(&mutex_);
      doing = activities_[peer.rank];
    }
    Fail(absl::StrCat("rank ", peer.rank, " is stuck: no sign of life for ",
                      absl::FormatDuration(options_.timeout),
                      doing.empty() ? "" : "; it last told of ", doing));
  }
}

void RankWatch::Fail(const std::string& message) {
  if (std::exchange(failed_, true)) return;
  if (communicator_.rank() == 0) SendToAll(kFailed + AsLine(message));
  options_.on_failure(message);
}

void RankWatch::SendToAll(const std::string& line) {
  for (const Peer& peer : peers_) Send(peer.fd, line);
}

}  // namespace rlhf
