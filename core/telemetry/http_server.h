// A small HTTP/1.1 server over libmicrohttpd: the metrics of every process, and
// the page and JSON API of the feedback process.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/telemetry/work_lane.h"

namespace rlhf {

struct HttpRequest {
  std::string method;  // "GET", "POST", …
  std::string path;    // percent-decoded, without the query
  std::map<std::string, std::string> query;
  std::map<std::string, std::string> headers;  // names in lower case
  // The address of whoever is connected ("127.0.0.1", "::1"): a proxy's, where
  // there is one. Empty if that is not known.
  std::string peer;
  std::string body;

  // The header's value; empty if it was not sent. `name` in lower case.
  absl::string_view header(const std::string& name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // What comes after `body`, one piece a call, until a piece is empty; null:
  // nothing. Called as the client takes it, in the request's lane (which it
  // must have) and before the server is destroyed. An error breaks the
  // connection off, so that the client knows that it has not all.
  std::function<absl::StatusOr<std::string>()> rest = nullptr;
};

// Called on several threads at once.
using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Asked about a request before its body is read and before it enters a lane:
// what it is refused with, or nullopt to go on and call the handler. Called on
// several threads at once.
using HttpRefusal =
    std::function<std::optional<HttpResponse>(const HttpRequest&)>;

struct HttpLimits {
  // A longer body is answered with 413 and never held.
  size_t max_body_bytes = 256 * 1024;
  // The limit by the request, as it is without its body; null: that above.
  std::function<size_t(const HttpRequest&)> max_body_bytes_of;
  // From 7/8 of them on, whoever has waited longest without sending a whole
  // request makes room for a new one.
  unsigned max_connections = 256;
  // A connection that is silent so long is closed,
  absl::Duration idle_timeout = absl::Seconds(30);
  // and so is one whose headers, or whose body after them, are not there in
  // this time, however often a piece of them comes.
  absl::Duration header_timeout = absl::Seconds(10);
  absl::Duration body_timeout = absl::Minutes(5);
  unsigned num_threads = 4;
  // Requests that may take long are handled beside those threads: each in the
  // lane that `lane_of` names by its place in `lanes` (nullopt, or no
  // function: it is quick). No lane waits for another. What a full lane does
  // not take is answered with 503 and Retry-After.
  std::vector<WorkLane::Options> lanes;
  std::function<std::optional<size_t>(const HttpRequest&)> lane_of;
};

// A request that two readers could take for different ones (a repeated
// Content-Length, Host, Cookie …; Content-Length beside Transfer-Encoding) is
// answered with 400, one with more than 100 query arguments or a URI of more
// than 8 KiB with 414: before the body is read and without calling the handler.
//
// Stops accepting, finishes the running handlers and closes every connection
// when it is destroyed. Thread-safe.
class HttpServer {
 public:
  // Serves at `address` ("host:port"; "[::1]:80" for IPv6; port 0 takes a free
  // one). `refuse`, if not null, is asked about each request that has a body or
  // a lane: what may not be sent is never held, and takes no place in a lane.
  //
  // Errors:
  //   InvalidArgument  the address is malformed or its host is unknown
  //   AlreadyExists    another process listens there
  //   Unavailable      anything else the operating system refuses
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(
      const std::string& address, HttpHandler handler,
      const HttpLimits& limits = {}, HttpRefusal refuse = nullptr);
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
};

// The response {"error": message}.
HttpResponse JsonErrorResponse(int status, absl::string_view message);

}  // namespace rlhf
