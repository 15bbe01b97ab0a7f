#include "feedback/routes.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace rlhf {
namespace {

constexpr char kJson[] = "application/json";
constexpr size_t kSmallBody = 4 * 1024;
constexpr bool kNoWorker = false;

const Route kRoutes[] = {
    {"GET", "/", Who::kWorker, "the page where people compare answers"},
    {"GET", "/requester", Who::kRequester,
     "the page where a requester sees what comes in"},
    {"GET", "/login", Who::kAnyone, "the page to log in"},
    {"GET", "/join", Who::kAnyone, "the page that an invitation links to"},
    {"GET", "/{id}.css", Who::kAnyone, "the pages' style"},
    {"GET", "/{id}.js", Who::kAnyone, "their scripts"},
    {"GET", "/{id}.svg", Who::kAnyone, "their pictures"},

    {"GET", "/api/session", Who::kAnyone,
     "whether one must log in, who is, and the CSRF token"},
    {"POST", "/api/login", Who::kAnyone, "log in by name and password", kJson,
     kSmallBody, kNoWorker, Lane::kLogin},
    {"POST", "/api/join", Who::kAnyone, "use an invitation", kJson, kSmallBody,
     kNoWorker, Lane::kAccounts},
    {"POST", "/api/logout", Who::kWorker, "end the session", kJson, kSmallBody},
    {"GET", "/api/accounts", Who::kAdmin, "who has an account"},
    {"POST", "/api/invitations", Who::kAdmin, "make an invitation's link",
     kJson, kSmallBody, kNoWorker, Lane::kAccounts},
    {"POST", "/api/accounts/{id}/disable", Who::kAdmin,
     "end what an account may do", kJson, kSmallBody, kNoWorker,
     Lane::kAccounts},

    {"POST", "/api/task", Who::kWorker, "a task to do", kJson, kSmallBody,
     /*names_worker=*/true},
    {"POST", "/api/comparison", Who::kWorker, "the answer to a task", kJson,
     256 * 1024, /*names_worker=*/true, Lane::kSaving},
    {"POST", "/api/continue", Who::kWorker,
     "the human's next words in an answered dialogue", kJson, 64 * 1024,
     /*names_worker=*/true, Lane::kSaving},
    {"GET", "/api/stats", Who::kWorker, "counts of all and of the worker", "",
     0, /*names_worker=*/true},
    {"POST", "/api/import", Who::kRequester, "comparisons from elsewhere",
     "application/x-ndjson", 16 << 20, kNoWorker, Lane::kJudging,
     "application/json text/csv"},
    {"GET", "/api/batches", Who::kRequester, "what became of the batches", "",
     0, kNoWorker, Lane::kReading},
    {"GET", "/api/batches/{id}", Who::kRequester, "what became of one", "", 0,
     kNoWorker, Lane::kReading},
    {"POST", "/api/batches/{id}/release", Who::kRequester,
     "let a batch that waits into the log", kJson, kSmallBody, kNoWorker,
     Lane::kJudging},
    {"POST", "/api/batches/{id}/refuse", Who::kRequester,
     "refuse a batch that waits", kJson, kSmallBody, kNoWorker, Lane::kJudging},
    {"POST", "/api/webhook/argilla", Who::kAnyone,
     "a response of Argilla; the signature is the proof", kJson, 1 << 20,
     kNoWorker, Lane::kWebhook},
    {"POST", "/api/webhook/label-studio", Who::kAnyone,
     "an annotation of Label Studio; the secret is the proof", kJson, 1 << 20,
     kNoWorker, Lane::kWebhook},

    {"GET", "/api/comparisons", Who::kRequester, "the newest comparisons", "",
     0, kNoWorker, Lane::kReading},
    {"GET", "/api/summary", Who::kRequester,
     "what the answers add up to, and cost", "", 0, kNoWorker, Lane::kReading},
    {"GET", "/api/elo", Who::kRequester,
     "Elo of the policies by people's choices", "", 0, kNoWorker,
     Lane::kReading},
    {"GET", "/api/pms", Who::kRequester,
     "the preference models and what their gates found", "", 0, kNoWorker,
     Lane::kReading},
    {"GET", "/api/export", Who::kRequester, "all comparisons as a file", "", 0,
     kNoWorker, Lane::kReading},
    {"GET", "/api/workers", Who::kRequester, "what is known of each worker", "",
     0, kNoWorker, Lane::kReading},
    {"POST", "/api/workers/pause", Who::kRequester,
     "give a worker no more tasks, or again", kJson, kSmallBody, kNoWorker,
     Lane::kAccounts},
    {"GET", "/api/agreement", Who::kRequester,
     "how far workers agree, and who copies", "", 0, kNoWorker, Lane::kReading},

    {"GET", "/api/openapi.json", Who::kAnyone, "this API, described"},
    {"GET", "/metrics", Who::kThisMachine, "metrics for Prometheus"},
    {"GET", "/healthz", Who::kThisMachine, "whether the service runs"},
};

// Whether `path` is that of the route; then what stands for "{id}" is in `id`.
bool IsPath(absl::string_view pattern, absl::string_view path,
            std::string* id) {
  const size_t open = pattern.find("{id}");
  if (open == absl::string_view::npos) return pattern == path;
  const absl::string_view before = pattern.substr(0, open);
  const absl::string_view after = pattern.substr(open + 4);
  if (path.size() <= before.size() + after.size() ||
      !absl::StartsWith(path, before) || !absl::EndsWith(path, after)) {
    return false;
  }
  const absl::string_view middle =
      path.substr(before.size(), path.size() - before.size() - after.size());
  if (absl::StrContains(middle, '/')) return false;
  *id = std::string(middle);
  return true;
}

}  // namespace

absl::Span<const Route> AllRoutes() { return kRoutes; }

std::vector<WorkLane::Options> SlowLanes() {
  // Two: while one waits, for a PM (up to 60 s) or the disk, the other goes on.
  // What they do but wait is done under one lock or on few cores, so that more
  // would only hold more memory: an import up to 16 MiB and what is parsed of
  // it, a password 64 MiB.
  constexpr int kThreads = 2;
  constexpr size_t kWaiting = 16;
  // Bodies hold memory while they wait; these have none, and a page asks for
  // eight at once.
  constexpr size_t kReadingWaiting = 64;
  std::vector<WorkLane::Options> lanes(
      static_cast<size_t>(Lane::kSaving),
      {.num_threads = kThreads, .max_waiting = kWaiting});
  lanes[static_cast<size_t>(Lane::kReading) - 1].max_waiting = kReadingWaiting;
  // Answers that are saved at once share a commit, as many as there are
  // threads, which wait for nothing else. All connections of the server may
  // wait here: their bodies are held anyway.
  lanes[static_cast<size_t>(Lane::kSaving) - 1] = {.num_threads = 16,
                                                   .max_waiting = 256};
  return lanes;
}

std::optional<size_t> SlowLaneOf(absl::string_view method,
                                 absl::string_view path) {
  const Route* const route = FindRoute(method, path).route;
  if (route == nullptr || route->lane == Lane::kQuick) return std::nullopt;
  return static_cast<size_t>(route->lane) - 1;
}

absl::string_view WhoName(Who who) {
  switch (who) {
    case Who::kAnyone:
      return "anyone";
    case Who::kThisMachine:
      return "this machine";
    case Who::kWorker:
      return "worker";
    case Who::kRequester:
      return "requester";
    case Who::kAdmin:
      break;
  }
  return "admin";
}

RouteMatch FindRoute(absl::string_view method, absl::string_view path) {
  if (method == "HEAD") method = "GET";
  RouteMatch match;
  for (const Route& route : kRoutes) {
    std::string id;
    if (!IsPath(route.path, path, &id)) continue;
    if (route.method == method) {
      return {.route = &route, .id = id, .other_method = nullptr};
    }
    match.other_method = route.method;
  }
  return match;
}

std::string ListApiRoutes(absl::string_view method) {
  std::vector<std::string> found;
  for (const Route& route : kRoutes) {
    if (route.method == method && absl::StartsWith(route.path, "/api/")) {
      found.push_back(absl::StrCat(route.method, " ", route.path));
    }
  }
  return absl::StrJoin(found, ", ");
}

std::string RoutesAsMarkdown() {
  std::string table = "| method | path | who | what |\n|---|---|---|---|\n";
  for (const Route& route : kRoutes) {
    absl::StrAppend(&table, "| ", route.method, " | `", route.path, "` | ",
                    WhoName(route.who), " | ", route.summary, " |\n");
  }
  return table;
}

}  // namespace rlhf
