#include "feedback/http_api.h"

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/json.h"
#include "core/base/log.h"
#include "core/telemetry/metrics_server.h"
#include "feedback/admission.h"
#include "feedback/api_messages.h"
#include "feedback/api_responses.h"
#include "feedback/open_api.h"
#include "feedback/page_files.h"

namespace rlhf {
namespace {

// The page loads its own script and style, talks to its own server, and may not
// be framed by another site.
constexpr char kContentSecurityPolicy[] =
    "default-src 'none'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; style-src 'self'; frame-ancestors 'none'; "
    "form-action 'self'; base-uri 'none'";

// Of a body that no route takes: read for the sake of a clear answer.
constexpr size_t kUnwantedBodyBytes = 4 * 1024;

// Everybody at this machine, where nobody has to log in.
Caller Anybody() {
  return {.proof = Caller::Proof::kNotAsked, .role = Role::kRequester};
}

std::string RouteKey(absl::string_view method, absl::string_view path) {
  return absl::StrCat(method, " ", path);
}

HttpResponse FileOfPage(absl::string_view path) {
  const PageFile* const file = FindPageFile(path);
  RLHF_CHECK(file != nullptr);
  return {.content_type = std::string(file->content_type),
          .body = std::string(file->contents)};
}

}  // namespace

HttpLimits HttpApi::Limits() {
  HttpLimits limits;
  limits.max_body_bytes_of = [](const HttpRequest& request) {
    const Route* const route = FindRoute(request.method, request.path).route;
    const bool takes_body =
        route != nullptr && !absl::string_view(route->content_type).empty();
    return takes_body ? route->max_body_bytes : kUnwantedBodyBytes;
  };
  limits.lanes = SlowLanes();
  limits.lane_of = [](const HttpRequest& request) {
    return SlowLaneOf(request.method, request.path);
  };
  return limits;
}

HttpApi::HttpApi(AnswerDesk* desk, const PreferenceStore* store,
                 const prometheus::Registry* registry, FeedbackMetrics* metrics,
                 AccessControl* access, RequesterApi* requester)
    : desk_(desk),
      store_(store),
      registry_(registry),
      metrics_(metrics),
      access_(access),
      requester_(requester),
      login_(access, &clock_) {
  SetHandlers();
  if (access != nullptr) SetAccessHandlers();
  if (requester != nullptr) SetRequesterHandlers();
}

void HttpApi::On(const std::string& method, const std::string& path,
                 ApiHandler handler) {
  const RouteMatch match = FindRoute(method, path);
  RLHF_CHECK(match.route != nullptr && match.route->path == path);
  handlers_[RouteKey(method, path)] = std::move(handler);
}

void HttpApi::SetHandlers() {
  On("POST", "/api/task",
     [this](const ApiCall& call) { return PostTask(call.request); });
  On("POST", "/api/comparison",
     [this](const ApiCall& call) { return PostComparison(call.request); });
  On("POST", "/api/continue",
     [this](const ApiCall& call) { return PostContinue(call.request); });
  On("GET", "/api/stats",
     [this](const ApiCall& call) { return GetStats(call.request); });
  On("GET", "/api/workers", [this](const ApiCall&) {
    return JsonResponse(WorkersJson(desk_->Workers()));
  });
  On("POST", "/api/workers/pause",
     [this](const ApiCall& call) { return PostPause(call); });
  On("GET", "/api/agreement", [this](const ApiCall&) {
    return JsonResponse(AgreementJson(desk_->Agreement(), desk_->Copies()));
  });
  On("GET", "/api/openapi.json",
     [](const ApiCall&) { return JsonResponse(OpenApiJson()); });
  On("GET", "/join", [](const ApiCall&) { return FileOfPage("/login"); });
  On("GET", "/metrics",
     [this](const ApiCall&) { return MetricsResponse(*registry_); });
  On("GET", "/healthz",
     [](const ApiCall&) { return HttpResponse{.body = "ok\n"}; });
}

void HttpApi::SetAccessHandlers() {
  On("GET", "/api/session",
     [this](const ApiCall& call) { return login_.GetSession(call.caller); });
  On("POST", "/api/login", [this](const ApiCall& call) {
    return login_.LogIn(call.request, call.caller);
  });
  On("POST", "/api/join", [this](const ApiCall& call) {
    return login_.Join(call.request, call.caller);
  });
  On("POST", "/api/logout",
     [this](const ApiCall& call) { return login_.LogOut(call.caller); });
  On("GET", "/api/accounts",
     [this](const ApiCall&) { return login_.GetAccounts(); });
  On("POST", "/api/invitations",
     [this](const ApiCall& call) { return login_.Invite(call.request); });
  On("POST", "/api/accounts/{id}/disable",
     [this](const ApiCall& call) { return login_.Disable(call.id); });
}

void HttpApi::SetRequesterHandlers() {
  On("GET", "/api/comparisons", [this](const ApiCall& call) {
    return requester_->GetComparisons(call.request);
  });
  On("GET", "/api/summary",
     [this](const ApiCall&) { return requester_->GetSummary(); });
  On("GET", "/api/elo",
     [this](const ApiCall&) { return requester_->GetElo(); });
  On("GET", "/api/pms",
     [this](const ApiCall&) { return requester_->GetPms(); });
  On("GET", "/api/export", [this](const ApiCall& call) {
    return requester_->GetExport(call.request);
  });
}

bool HttpApi::Serves(const Route& route, absl::string_view path) const {
  return handlers_.contains(RouteKey(route.method, route.path)) ||
         FindPageFile(path) != nullptr;
}

void HttpApi::CountRefusal(int status) {
  const char* const reason = status == 401   ? "not_logged_in"
                             : status == 403 ? "not_allowed"
                             : status == 429 ? "too_many"
                                             : nullptr;
  if (reason != nullptr) metrics_->http_refusals.Of(reason).Increment();
}

HttpResponse HttpApi::Handle(const HttpRequest& request) {
  HttpResponse response = Answer(request);
  CountRefusal(response.status);
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

HttpResponse HttpApi::NoAccountsToRead(const absl::Status& status) {
  // Once, not for each request; and not to everybody who asks.
  if (!fault_is_logged_.exchange(true)) RLHF_LOG(ERROR) << status.message();
  return JsonErrorResponse(
      503, "the accounts cannot be read: the service's log says why");
}

HttpApi::Admission HttpApi::Admit(const HttpRequest& request) {
  Admission admission;
  admission.refused =
      RefuseSite(request, access_ == nullptr ? "" : access_->public_origin());
  if (admission.refused.has_value()) return admission;
  Caller caller = Anybody();
  if (access_ != nullptr) {
    absl::StatusOr<Caller> known = access_->Identify(request);
    if (!known.ok()) {
      admission.refused = NoAccountsToRead(known.status());
      return admission;
    }
    fault_is_logged_ = false;
    caller = *std::move(known);
  }
  admission.match = FindRoute(request.method, request.path);
  const Route* const route = admission.match.route;
  if (route == nullptr || !Serves(*route, request.path)) {
    admission.refused = NoRoute(admission.match, request);
  } else {
    admission.refused = RefuseCaller(*route, caller, request);
    if (!admission.refused.has_value()) {
      admission.refused = RefuseType(*route, request);
    }
  }
  admission.caller = std::move(caller);
  return admission;
}

std::optional<HttpResponse> HttpApi::RefuseUnread(const HttpRequest& request) {
  if (!Admit(request).refused.has_value()) return std::nullopt;
  // Which counts it among the caller's requests.
  return Handle(request);
}

HttpResponse HttpApi::Answer(const HttpRequest& request) {
  const Admission admission = Admit(request);
  if (access_ != nullptr && admission.caller.has_value()) {
    const absl::Duration wait = access_->TakeRequest(*admission.caller);
    if (wait > absl::ZeroDuration()) return TooManyRequests(wait);
  }
  if (admission.refused.has_value()) return *admission.refused;
  const Caller& caller = *admission.caller;
  if (admission.match.route->names_worker && caller.has_account()) {
    return Dispatch(admission.match, AsWorker(request, caller.worker_id),
                    caller);
  }
  return Dispatch(admission.match, request, caller);
}

HttpResponse HttpApi::Dispatch(const RouteMatch& match,
                               const HttpRequest& request,
                               const Caller& caller) {
  const Route& route = *match.route;
  const auto handler = handlers_.find(RouteKey(route.method, route.path));
  if (handler != handlers_.end()) {
    return handler->second(
        {.request = request, .caller = caller, .id = match.id});
  }
  return FileOfPage(request.path);
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
  return JsonResponse(DumpJson(
      {{"seq", appended->seq}, {"saved", true}, {"extra", appended->extra}}));
}

HttpResponse HttpApi::PostContinue(const HttpRequest& request) {
  const auto turn = ParseNextTurn(request.body);
  if (!turn.ok()) return ErrorResponse(turn.status());
  const absl::Status queued = desk_->CarryOn(*turn);
  if (!queued.ok()) return ErrorResponse(queued);
  return JsonResponse(DumpJson({{"queued", true}}));
}

HttpResponse HttpApi::PostPause(const ApiCall& call) {
  const auto pause = ParsePauseRequest(call.request.body);
  if (!pause.ok()) return ErrorResponse(pause.status());
  // A mistyped name would look like a pause.
  if (!desk_->Knows(pause->worker_id) && !HasAccount(pause->worker_id)) {
    return JsonErrorResponse(
        404, absl::StrCat("there is no worker \"", pause->worker_id,
                          "\": nobody was paused or let go on. GET "
                          "/api/workers lists those who answered"));
  }
  const absl::Status done =
      desk_->SetPaused(pause->worker_id, pause->paused,
                       call.caller.NameOr(pause->by), pause->reason);
  if (!done.ok()) return ErrorResponse(done);
  return JsonResponse(DumpJson({{"paused", pause->paused}}));
}

bool HttpApi::HasAccount(const std::string& worker_id) const {
  if (access_ == nullptr || !access_->require_login()) return false;
  const auto accounts = access_->accounts().Get();
  if (!accounts.ok()) return false;
  const auto& all = (*accounts)->accounts();
  return std::any_of(all.begin(), all.end(), [&](const auto& account) {
    return access_->pseudonym(account.first) == worker_id;
  });
}

HttpResponse HttpApi::GetStats(const HttpRequest& request) {
  const PreferenceStore::Totals totals = store_->GetTotals();
  const AnswerDesk::TaskStats tasks = desk_->GetTaskStats();
  Json json = {{"num_comparisons", totals.num_comparisons},
               {"num_decided", totals.num_decided},
               {"num_workers", totals.num_workers},
               {"num_retracted", totals.num_tombstones - totals.num_replaced},
               {"chain_head", totals.chain_head},
               {"num_ready_tasks", tasks.num_ready},
               {"num_leased_tasks", tasks.num_leased},
               {"num_answers", tasks.num_answers},
               {"max_comparisons", tasks.max_comparisons},
               {"complete", tasks.complete}};
  if (const auto worker = request.query.find("worker_id");
      worker != request.query.end()) {
    json["worker_comparisons"] = store_->NumOfWorker(worker->second);
  }
  return JsonResponse(DumpJson(json));
}

}  // namespace rlhf
