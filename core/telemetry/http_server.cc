#include "core/telemetry/http_server.h"

#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/telemetry/connection_watch.h"
#include "core/telemetry/http_reply.h"
#include "core/telemetry/listen_socket.h"
#include "core/telemetry/malformed_request.h"
#include "core/telemetry/work_lane.h"

namespace rlhf {
namespace {

// One request from its first line on, until it is answered.
struct Exchange {
  // Its headers are there.
  bool has_begun = false;
  HttpRequest request;
  RequestFaults faults;
  size_t max_body_bytes = 0;
  // Where it is handled, if it may take long, and what came of it.
  WorkLane* lane = nullptr;
  std::optional<HttpResponse> response;
};

MHD_Result AddQuery(void* into, MHD_ValueKind, const char* key,
                    const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(into))[key] =
      value == nullptr ? "" : value;
  return MHD_YES;
}

MHD_Result AddHeader(void* into, MHD_ValueKind, const char* key,
                     const char* value) {
  auto& exchange = *static_cast<Exchange*>(into);
  const std::string name = absl::AsciiStrToLower(key);
  const bool is_new = exchange.request.headers
                          .insert_or_assign(name, value == nullptr ? "" : value)
                          .second;
  if (!is_new && !MayRepeat(name)) exchange.faults.repeated_header = name;
  return MHD_YES;
}

// Whether the URI is too long; if it is, it ends at its query now. The
// library forgets that it has answered 431 for a query that it has no room
// for, and the client waits in vain: so it must not see such a one. The bytes
// are in its own buffer, which it writes to itself after this.
bool CutLongUri(const char* uri) {
  if (uri == nullptr || !IsUriTooLong(uri)) return false;
  if (const char* const query = std::strchr(uri, '?'); query != nullptr) {
    const_cast<char*>(query)[1] = '\0';
  }
  return true;
}

int SocketOf(MHD_Connection* connection) {
  return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
      ->connect_fd;
}

std::string PeerOf(MHD_Connection* connection) {
  const sockaddr* const address =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)
          ->client_addr;
  const bool is_v6 = address->sa_family == AF_INET6;
  const socklen_t size = is_v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  char host[NI_MAXHOST] = "";
  const int error = ::getnameinfo(address, size, host, sizeof(host), nullptr, 0,
                                  NI_NUMERICHOST);
  return error == 0 ? host : "";
}

ConnectionWatch::Options WatchOptions(const HttpLimits& limits) {
  return {.header_timeout = limits.header_timeout,
          .idle_timeout = limits.idle_timeout,
          .body_timeout = limits.body_timeout,
          .num_crowded = limits.max_connections - limits.max_connections / 8};
}

class MicrohttpdServer final : public HttpServer {
 public:
  MicrohttpdServer(HttpHandler handler, HttpLimits limits, HttpRefusal refuse)
      : handler_(std::move(handler)),
        limits_(std::move(limits)),
        refuse_(std::move(refuse)),
        // The library sees its end, and closes it.
        watch_(WatchOptions(limits_),
               [](int fd) { ::shutdown(fd, SHUT_RDWR); }),
        watch_thread_([this] { RunWatch(); }) {
    for (const WorkLane::Options& lane : limits_.lanes) {
      lanes_.push_back(std::make_unique<WorkLane>(lane));
    }
  }

  // The library may not be stopped while a connection is suspended, and drops
  // what it has not sent when it is.
  ~MicrohttpdServer() override {
    for (const auto& lane : lanes_) lane->Close();
    for (const auto& lane : lanes_) lane->Finish();
    WaitForSlowOnes();
    if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
    {
      MutexLock lock(&mutex_);
      is_stopping_ = true;
    }
    stopping_.SignalAll();
    watch_thread_.join();
  }

  absl::Status Run(const std::string& address) {
    RLHF_ASSIGN_OR_RETURN(const ListenSocket socket, Listen(address));
    port_ = socket.port;
    const auto idle_seconds =
        static_cast<unsigned>(absl::ToInt64Seconds(limits_.idle_timeout));
    daemon_ = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO |
            MHD_ALLOW_SUSPEND_RESUME,
        /*port=*/0,
        /*apc=*/nullptr, /*apc_cls=*/nullptr, &OnAccess, this,
        MHD_OPTION_LISTEN_SOCKET, socket.fd,        //
        MHD_OPTION_URI_LOG_CALLBACK, &OnUri, this,  //
        MHD_OPTION_NOTIFY_COMPLETED, &OnCompleted, this,
        MHD_OPTION_NOTIFY_CONNECTION, &OnConnection, this,
        MHD_OPTION_CONNECTION_LIMIT, limits_.max_connections,
        MHD_OPTION_CONNECTION_TIMEOUT, idle_seconds,
        MHD_OPTION_THREAD_POOL_SIZE, limits_.num_threads, MHD_OPTION_END);
    if (daemon_ == nullptr) {
      return absl::UnavailableError(
          absl::StrCat("cannot start an HTTP server on ", address,
                       ": out of threads, memory or file descriptors"));
    }
    return absl::OkStatus();
  }

  int port() const override { return port_; }

 private:
  static void OnConnection(void* self, MHD_Connection* connection, void**,
                           MHD_ConnectionNotificationCode what) {
    ConnectionWatch& watch = static_cast<MicrohttpdServer*>(self)->watch_;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
      watch.Opened(SocketOf(connection), MonotonicNow());
    } else {
      watch.Closed(SocketOf(connection));
    }
  }

  // When the first line is there; what it returns is OnAccess's `slot`.
  static void* OnUri(void*, const char* uri, MHD_Connection*) {
    return new Exchange{.faults = {.is_uri_too_long = CutLongUri(uri)}};
  }

  // Called by the library: once when the headers are there, then for each
  // piece of the body, then once more with no piece; and once more after a
  // slow request was handled.
  static MHD_Result OnAccess(void* self, MHD_Connection* connection,
                             const char* url, const char* method,
                             const char* /*version*/, const char* piece,
                             size_t* piece_bytes, void** slot) {
    auto* const server = static_cast<MicrohttpdServer*>(self);
    auto* const exchange = static_cast<Exchange*>(*slot);
    if (!exchange->has_begun) {
      server->Begin(connection, url, method, *exchange);
      const auto refused = server->RefuseUnread(*exchange);
      return refused.has_value() ? SendReply(connection, *refused, nullptr)
                                 : MHD_YES;
    }
    if (*piece_bytes > 0) {
      // Only a chunked body can still grow past the limit here, when no
      // response can be sent any more: close the connection.
      if (exchange->request.body.size() + *piece_bytes >
          exchange->max_body_bytes) {
        return MHD_NO;
      }
      exchange->request.body.append(piece, *piece_bytes);
      *piece_bytes = 0;
      return MHD_YES;
    }
    server->watch_.HasRequest(SocketOf(connection));
    if (exchange->response.has_value()) {
      return SendReply(connection, *exchange->response, exchange->lane);
    }
    exchange->lane = server->LaneOf(exchange->request);
    if (exchange->lane == nullptr) {
      return SendReply(connection, server->handler_(exchange->request),
                       nullptr);
    }
    return server->Suspend(connection, *exchange);
  }

  // Null for what is done at once.
  WorkLane* LaneOf(const HttpRequest& request) const {
    if (limits_.lane_of == nullptr) return nullptr;
    const std::optional<size_t> lane = limits_.lane_of(request);
    return lane.has_value() ? lanes_.at(*lane).get() : nullptr;
  }

  // The library touches neither the connection nor its exchange until it is
  // resumed. Before the lane gets it: it may be done before we return.
  MHD_Result Suspend(MHD_Connection* connection, Exchange& exchange) {
    {
      MutexLock lock(&mutex_);
      ++num_slow_;
    }
    MHD_suspend_connection(connection);
    const bool is_taken = exchange.lane->TryAdd([this, connection, &exchange] {
      exchange.response =
          exchange.lane->is_closed()
              ? JsonErrorResponse(503, "the service is stopping: try again")
              : handler_(exchange.request);
      MHD_resume_connection(connection);
    });
    if (is_taken) return MHD_YES;
    exchange.response = JsonErrorResponse(
        503, "the service is busy with other requests of this kind: try again");
    exchange.response->headers.emplace_back("Retry-After", "5");
    MHD_resume_connection(connection);
    return MHD_YES;
  }

  // Once the response was sent, or the connection broke.
  static void OnCompleted(void* self, MHD_Connection* connection, void** slot,
                          MHD_RequestTerminationCode) {
    auto* const server = static_cast<MicrohttpdServer*>(self);
    server->watch_.Answered(SocketOf(connection), MonotonicNow());
    const auto* const exchange = static_cast<Exchange*>(*slot);
    if (exchange != nullptr && exchange->lane != nullptr) {
      MutexLock lock(&server->mutex_);
      --server->num_slow_;
      server->fewer_slow_.SignalAll();
    }
    delete exchange;
    *slot = nullptr;
  }

  // For as long as a client may take to read its response.
  void WaitForSlowOnes() {
    constexpr absl::Duration kMost = absl::Seconds(5);
    const absl::Time deadline = MonotonicNow() + kMost;
    MutexLock lock(&mutex_);
    while (num_slow_ > 0 && MonotonicNow() < deadline) {
      fewer_slow_.WaitFor(&mutex_, deadline - MonotonicNow());
    }
  }

  void RunWatch() {
    constexpr absl::Duration kPause = absl::Milliseconds(200);
    MutexLock lock(&mutex_);
    while (!is_stopping_) {
      stopping_.WaitFor(&mutex_, kPause);
      watch_.BreakOffLate(MonotonicNow());
    }
  }

  void Begin(MHD_Connection* connection, const char* url, const char* method,
             Exchange& exchange) {
    watch_.HasHeaders(SocketOf(connection), MonotonicNow());
    exchange.has_begun = true;
    exchange.request.method = method;
    exchange.request.path = url;
    exchange.request.peer = PeerOf(connection);
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &AddQuery,
                              &exchange.request.query);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &AddHeader,
                              &exchange);
    exchange.max_body_bytes = limits_.max_body_bytes_of == nullptr
                                  ? limits_.max_body_bytes
                                  : limits_.max_body_bytes_of(exchange.request);
  }

  // What a request ends with that announces a body which is too long, or that
  // its sender may not send.
  std::optional<HttpResponse> RefuseUnread(const Exchange& exchange) const {
    if (auto refused = RefuseMalformed(exchange.request, exchange.faults)) {
      // Whatever follows is not read as another request.
      refused->headers.emplace_back("Connection", "close");
      return refused;
    }
    const HttpRequest& request = exchange.request;
    uint64_t length = 0;
    if (absl::SimpleAtoi(request.header("content-length"), &length) &&
        length > exchange.max_body_bytes) {
      return JsonErrorResponse(
          413, absl::StrCat("the request body has ", length, " bytes; at most ",
                            exchange.max_body_bytes, " are taken on ",
                            request.path, ": send it in smaller pieces"));
    }
    const bool has_body =
        length > 0 || !request.header("transfer-encoding").empty();
    // What nobody may send takes no place in a lane either.
    const bool is_asked = has_body || LaneOf(request) != nullptr;
    if (refuse_ == nullptr || !is_asked) return std::nullopt;
    return refuse_(request);
  }

  const HttpHandler handler_;
  const HttpLimits limits_;
  const HttpRefusal refuse_;
  std::vector<std::unique_ptr<WorkLane>> lanes_;
  Mutex mutex_;
  CondVar fewer_slow_;
  // Suspended, or resumed and not answered in full.
  int num_slow_ ABSL_GUARDED_BY(mutex_) = 0;
  MHD_Daemon* daemon_ = nullptr;
  int port_ = 0;
  CondVar stopping_;
  bool is_stopping_ ABSL_GUARDED_BY(mutex_) = false;
  ConnectionWatch watch_;
  // The last one: it uses what is above.
  std::thread watch_thread_;
};

}  // namespace

absl::string_view HttpRequest::header(const std::string& name) const {
  const auto found = headers.find(name);
  if (found == headers.end()) return "";
  return found->second;
}

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(
    const std::string& address, HttpHandler handler, const HttpLimits& limits,
    HttpRefusal refuse) {
  auto server = std::make_unique<MicrohttpdServer>(std::move(handler), limits,
                                                   std::move(refuse));
  RLHF_RETURN_IF_ERROR(server->Run(address));
  return server;
}

HttpResponse JsonErrorResponse(int status, absl::string_view message) {
  return {.status = status,
          .content_type = "application/json",
          .body = DumpJson({{"error", std::string(message)}}) + "\n"};
}

}  // namespace rlhf
