#include "core/telemetry/http_server.h"

#include <microhttpd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/bounded_queue.h"
#include "core/base/clock.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/base/mutex.h"
#include "core/base/status_macros.h"
#include "core/telemetry/connection_watch.h"
#include "core/telemetry/listen_socket.h"
#include "core/telemetry/malformed_request.h"

namespace rlhf {
namespace {

// One request from its first line on, until it is answered.
struct Exchange {
  // Its headers are there.
  bool has_begun = false;
  HttpRequest request;
  RequestFaults faults;
  size_t max_body_bytes = 0;
  // Of a slow request, and its response once it is handled.
  bool slow = false;
  std::optional<HttpResponse> response;
};

// A suspended connection: the library does not touch it, nor its exchange.
struct SlowRequest {
  MHD_Connection* connection = nullptr;
  Exchange* exchange = nullptr;
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

// A response that is sent piece by piece: the piece that is being sent.
struct Pieces {
  std::string piece;
  size_t num_sent = 0;
  std::function<absl::StatusOr<std::string>()> next;
};

// Called by the library whenever the client takes more.
ssize_t FillFromPieces(void* of, uint64_t /*position*/, char* buffer,
                       size_t max) {
  auto& pieces = *static_cast<Pieces*>(of);
  if (pieces.num_sent == pieces.piece.size()) {
    absl::StatusOr<std::string> next = pieces.next();
    if (!next.ok()) {
      RLHF_LOG(WARNING) << "a response is broken off: " << next.status();
      return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    if (next->empty()) return MHD_CONTENT_READER_END_OF_STREAM;
    pieces.piece = *std::move(next);
    pieces.num_sent = 0;
  }
  const size_t num = std::min(max, pieces.piece.size() - pieces.num_sent);
  std::memcpy(buffer, pieces.piece.data() + pieces.num_sent, num);
  pieces.num_sent += num;
  return static_cast<ssize_t>(num);
}

void DeletePieces(void* pieces) { delete static_cast<Pieces*>(pieces); }

MHD_Response* MakeReply(const HttpResponse& response) {
  if (response.rest == nullptr) {
    return MHD_create_response_from_buffer(
        response.body.size(), const_cast<char*>(response.body.data()),
        MHD_RESPMEM_MUST_COPY);
  }
  constexpr size_t kBlockBytes = 64 * 1024;
  auto pieces = std::make_unique<Pieces>(
      Pieces{.piece = response.body, .next = response.rest});
  MHD_Response* const reply = MHD_create_response_from_callback(
      MHD_SIZE_UNKNOWN, kBlockBytes, &FillFromPieces, pieces.get(),
      &DeletePieces);
  if (reply != nullptr) pieces.release();
  return reply;
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

ConnectionWatch::Options WatchOptions(const HttpLimits& limits) {
  return {.header_timeout = limits.header_timeout,
          .idle_timeout = limits.idle_timeout,
          .body_timeout = limits.body_timeout,
          .num_crowded = limits.max_connections - limits.max_connections / 8};
}

MHD_Result Send(MHD_Connection* connection, const HttpResponse& response) {
  MHD_Response* const reply = MakeReply(response);
  if (reply == nullptr) return MHD_NO;
  if (!response.content_type.empty()) {
    MHD_add_response_header(reply, "Content-Type",
                            response.content_type.c_str());
  }
  for (const auto& [name, value] : response.headers) {
    MHD_add_response_header(reply, name.c_str(), value.c_str());
  }
  const MHD_Result result = MHD_queue_response(
      connection, static_cast<unsigned>(response.status), reply);
  MHD_destroy_response(reply);
  return result;
}

class MicrohttpdServer final : public HttpServer {
 public:
  MicrohttpdServer(HttpHandler handler, HttpLimits limits, HttpRefusal refuse)
      : handler_(std::move(handler)),
        limits_(std::move(limits)),
        refuse_(std::move(refuse)),
        slow_(limits_.max_slow_waiting),
        // The library sees its end, and closes it.
        watch_(WatchOptions(limits_),
               [](int fd) { ::shutdown(fd, SHUT_RDWR); }),
        watch_thread_([this] { RunWatch(); }) {
    if (limits_.is_slow != nullptr) {
      slow_thread_ = std::thread([this] { RunSlow(); });
    }
  }

  // The library may not be stopped while a connection is suspended, and drops
  // what it has not sent when it is.
  ~MicrohttpdServer() override {
    slow_.Close();
    if (slow_thread_.joinable()) slow_thread_.join();
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
      return refused.has_value() ? Send(connection, *refused) : MHD_YES;
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
      return Send(connection, *exchange->response);
    }
    const HttpLimits& limits = server->limits_;
    if (limits.is_slow == nullptr || !limits.is_slow(exchange->request)) {
      return Send(connection, server->handler_(exchange->request));
    }
    return server->Suspend({connection, exchange});
  }

  // Before the other thread gets it: it may be done before we return.
  MHD_Result Suspend(SlowRequest slow) {
    slow.exchange->slow = true;
    {
      MutexLock lock(&mutex_);
      ++num_slow_;
    }
    MHD_suspend_connection(slow.connection);
    if (slow_.TryPush(std::move(slow))) return MHD_YES;
    slow.exchange->response = JsonErrorResponse(
        503, "the service is busy with other requests of this kind: try again");
    slow.exchange->response->headers.emplace_back("Retry-After", "5");
    MHD_resume_connection(slow.connection);
    return MHD_YES;
  }

  void RunSlow() {
    while (const auto slow = PopSlow()) {
      slow->exchange->response =
          slow_.closed()
              ? JsonErrorResponse(503, "the service is stopping: try again")
              : handler_(slow->exchange->request);
      MHD_resume_connection(slow->connection);
    }
  }

  // Nullopt once the queue is closed and empty.
  std::optional<SlowRequest> PopSlow() {
    while (true) {
      std::optional<SlowRequest> slow = slow_.Pop(absl::Hours(1));
      if (slow.has_value() || slow_.closed()) return slow;
    }
  }

  // Once the response was sent, or the connection broke.
  static void OnCompleted(void* self, MHD_Connection* connection, void** slot,
                          MHD_RequestTerminationCode) {
    auto* const server = static_cast<MicrohttpdServer*>(self);
    server->watch_.Answered(SocketOf(connection), MonotonicNow());
    const auto* const exchange = static_cast<Exchange*>(*slot);
    if (exchange != nullptr && exchange->slow) {
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
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &AddQuery,
                              &exchange.request.query);
    MHD_get_connection_values(connection, MHD_HEADER_KIND, &AddHeader,
                              &exchange);
    exchange.max_body_bytes = limits_.max_body_bytes_of == nullptr
                                  ? limits_.max_body_bytes
                                  : limits_.max_body_bytes_of(exchange.request);
  }

  // What a request ends with that announces a body which is too long, or that
  // nobody may send.
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
    if (refuse_ == nullptr || !has_body) return std::nullopt;
    return refuse_(request);
  }

  const HttpHandler handler_;
  const HttpLimits limits_;
  const HttpRefusal refuse_;
  BoundedQueue<SlowRequest> slow_;
  std::thread slow_thread_;
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
