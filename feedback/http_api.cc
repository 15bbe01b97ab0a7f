#include "feedback/http_api.h"

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/json.h"
#include "core/config/address.h"
#include "core/telemetry/metrics_server.h"
#include "feedback/api_messages.h"
#include "feedback/page_files.h"

namespace rlhf {
namespace {

// The page loads its own script and style, talks to its own server, and may not
// be framed by another site.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; style-src 'self'; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'none'";

int HttpStatusOf(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kInvalidArgument:
      return 400;
    case absl::StatusCode::kUnauthenticated:
      return 401;
    case absl::StatusCode::kPermissionDenied:
      return 403;
    case absl::StatusCode::kNotFound:
      return 404;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return 409;
    case absl::StatusCode::kOutOfRange:
      return 410;
    case absl::StatusCode::kUnavailable:
      return 503;
    case absl::StatusCode::kResourceExhausted:
      return 507;
    default:
      return 500;
  }
}

HttpResponse ErrorResponse(const absl::Status& status) {
  return JsonErrorResponse(HttpStatusOf(status.code()), status.message());
}

HttpResponse JsonResponse(std::string body) {
  return {.content_type = "application/json", .body = std::move(body) + "\n"};
}

// Browsers say from which site a script posts; programs say nothing.
bool IsForeignOrigin(const HttpRequest& request) {
  const absl::string_view origin = request.header("origin");
  if (origin.empty()) return false;
  const size_t scheme_end = origin.find("://");
  return scheme_end == absl::string_view::npos ||
         origin.substr(scheme_end + 3) != request.header("host");
}

// A site whose name was pointed at this machine is, to a browser, the origin of
// what it reads here; only the Host header still tells its name.
bool IsForeignHost(const HttpRequest& request) {
  const std::string host(request.header("host"));
  const size_t colon = host.rfind(':');
  const bool has_port = colon != std::string::npos && host.back() != ']';
  return !IsLoopbackHost(has_port ? host.substr(0, colon) : host);
}

bool HasContentType(const HttpRequest& request, absl::string_view wanted) {
  absl::string_view type = request.header("content-type");
  type = absl::StripAsciiWhitespace(type.substr(0, type.find(';')));
  return absl::EqualsIgnoreCase(type, wanted);
}

}  // namespace

HttpLimits HttpApi::Limits() {
  HttpLimits limits;
  limits.max_body_bytes_of_path["/api/import"] = 16 << 20;
  limits.max_body_bytes_of_path["/api/webhook/argilla"] = 1 << 20;
  limits.max_body_bytes_of_path["/api/webhook/label-studio"] = 1 << 20;
  return limits;
}

HttpResponse HttpApi::Handle(const HttpRequest& request) {
  HttpResponse response;
  if (IsForeignHost(request)) {
    response = JsonErrorResponse(
        403, absl::StrCat("the host is \"", request.header("host"),
                          "\"; ask as localhost or 127.0.0.1"));
  } else if (request.method == "GET" || request.method == "HEAD") {
    response = HandleGet(request);
  } else if (request.method == "POST") {
    response = HandlePost(request);
  } else {
    response = JsonErrorResponse(
        405, absl::StrCat(request.method, " is not served; use GET or POST"));
    response.headers.emplace_back("Allow", "GET, HEAD, POST");
  }
  response.headers.emplace_back("Content-Security-Policy",
                                kContentSecurityPolicy);
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.headers.emplace_back("X-Frame-Options", "DENY");
  response.headers.emplace_back("Referrer-Policy", "no-referrer");
  response.headers.emplace_back("Cross-Origin-Opener-Policy", "same-origin");
  response.headers.emplace_back("Cross-Origin-Resource-Policy", "same-origin");
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse HttpApi::HandleGet(const HttpRequest& request) {
  if (request.path == "/metrics") return MetricsResponse(*registry_);
  if (request.path == "/healthz") return {.body = "ok\n"};
  if (request.path == "/api/stats") return GetStats(request);
  if (const auto response = batches_->Get(request)) {
    return response->ok() ? **response : ErrorResponse(response->status());
  }
  if (const PageFile* const file = FindPageFile(request.path)) {
    return {.content_type = std::string(file->content_type),
            .body = std::string(file->contents)};
  }
  if (absl::StartsWith(request.path, "/api/")) {
    return JsonErrorResponse(
        404, absl::StrCat("there is no GET ", request.path,
                          "; POST /api/task, /api/comparison or /api/import, "
                          "GET /api/stats"));
  }
  return JsonErrorResponse(
      404, absl::StrCat("there is no ", request.path, "; the page is at /"));
}

HttpResponse HttpApi::HandlePost(const HttpRequest& request) {
  if (IsForeignOrigin(request)) {
    return JsonErrorResponse(
        403, absl::StrCat("requests from ", request.header("origin"),
                          " are not taken here"));
  }
  const bool is_import = request.path == "/api/import";
  const absl::string_view wanted =
      is_import ? "application/x-ndjson" : "application/json";
  if (!HasContentType(request, wanted)) {
    return JsonErrorResponse(
        415, absl::StrCat("the Content-Type is \"",
                          request.header("content-type"), "\"; send ", wanted));
  }
  if (request.path == "/api/task") return PostTask(request);
  if (request.path == "/api/comparison") return PostComparison(request);
  if (const auto response = batches_->Post(request)) {
    return response->ok() ? **response : ErrorResponse(response->status());
  }
  return JsonErrorResponse(
      404, absl::StrCat("there is no POST ", request.path,
                        "; POST /api/task, /api/comparison or /api/import"));
}

HttpResponse HttpApi::PostTask(const HttpRequest& request) {
  const auto worker_id = ParseTaskRequest(request.body);
  if (!worker_id.ok()) return ErrorResponse(worker_id.status());
  const auto task = desk_->Lease(*worker_id);
  if (task.ok()) return JsonResponse(TaskJson(*task, desk_->lease()));
  if (absl::IsUnavailable(task.status())) {
    return {.status = 204, .content_type = "", .body = ""};
  }
  return ErrorResponse(task.status());
}

HttpResponse HttpApi::PostComparison(const HttpRequest& request) {
  const auto answer = ParseAnswer(request.body);
  if (!answer.ok()) return ErrorResponse(answer.status());
  const auto appended = desk_->Submit(*answer);
  if (!appended.ok()) return ErrorResponse(appended.status());
  return JsonResponse(DumpJson({{"seq", appended->seq}, {"saved", true}}));
}

HttpResponse HttpApi::GetStats(const HttpRequest& request) {
  const PreferenceStore::Stats stats = store_->GetStats();
  const AnswerDesk::TaskStats tasks = desk_->GetTaskStats();
  Json json = {{"num_comparisons", stats.num_comparisons},
               {"num_decided", stats.num_decided},
               {"num_workers", stats.num_by_worker.size()},
               {"chain_head", stats.chain_head},
               {"num_ready_tasks", tasks.num_ready},
               {"num_leased_tasks", tasks.num_leased},
               {"max_comparisons", tasks.max_comparisons},
               {"complete", tasks.complete}};
  if (const auto worker = request.query.find("worker_id");
      worker != request.query.end()) {
    const auto own = stats.num_by_worker.find(worker->second);
    json["worker_comparisons"] =
        own == stats.num_by_worker.end() ? 0 : own->second;
  }
  return JsonResponse(DumpJson(json));
}

}  // namespace rlhf
