// Everything that the feedback process serves over HTTP, as one table: what is
// not in it is not there. To add a route, add its row here (routes.cc) and its
// handler (HttpApi::On), and the row that the test asks for in docs/access.md.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "core/telemetry/work_lane.h"

namespace rlhf {

// Who may use a route. Each of the last three may do all that the one before it
// may.
enum class Who {
  kAnyone,
  kThisMachine,  // whoever asks for it as localhost or 127.0.0.1
  kWorker,
  kRequester,
  kAdmin,
};

// Beside which others a request is handled. Each lane but the quick one has
// threads of its own, so that it waits for its own kind alone.
enum class Lane {
  kQuick,     // on the server's threads: done in milliseconds
  kReading,   // reads much: exports, lists, counts of the log
  kJudging,   // imports and decisions: judge much, ask a PM
  kWebhook,   // one judgement each: ask a PM, too
  kLogin,     // hash a password
  kAccounts,  // wait for the file of the accounts, or of who is paused;
              // strangers only if invited
  kSaving,    // answers: wait for the preference store's database
};

struct Route {
  const char* method = "";  // "GET" (and HEAD) or "POST"
  // "{id}" stands for one part of it, of any text.
  const char* path = "";
  Who who = Who::kAdmin;
  // What it is for.
  const char* summary = "";
  // Of the request's body; empty: there is none.
  const char* content_type = "";
  size_t max_body_bytes = 256 * 1024;
  // The `worker_id` in the request, in its body or query, is the caller: with a
  // login, the service says which it is, whatever the request says.
  bool names_worker = false;
  Lane lane = Lane::kQuick;
  // Further types, with a space between them.
  const char* other_content_types = "";
};

absl::Span<const Route> AllRoutes();

// Threads and queue of each lane but the quick one, in their order.
std::vector<WorkLane::Options> SlowLanes();

// The request's place in SlowLanes; nullopt: it is quick.
std::optional<size_t> SlowLaneOf(absl::string_view method,
                                 absl::string_view path);

// "anyone", "this machine", "worker", "requester" or "admin".
absl::string_view WhoName(Who who);

struct RouteMatch {
  // Null if there is none.
  const Route* route = nullptr;
  // What stands for "{id}".
  std::string id;
  // Without a route: the method by which this path is served; null if by none.
  const char* other_method = nullptr;
};

// HEAD finds what GET does.
RouteMatch FindRoute(absl::string_view method, absl::string_view path);

// Where to find one's way after a mistake: "POST /api/task, GET /api/stats, …".
std::string ListApiRoutes(absl::string_view method);

// The table as docs/access.md shows it.
std::string RoutesAsMarkdown();

}  // namespace rlhf
