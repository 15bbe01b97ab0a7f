// What the feedback process serves over HTTP: the page, the JSON API of
// workers, imports and metrics. All routes, with who may use each, are in
// routes.h; those of logging in are told in access/login_api.h.
//
//   GET  /                 the workers' page, /requester the requester's, and
//                          their files (page_files.h)
//   POST /api/task         a task to do: 200, 204 none right now, 410 no more
//   POST /api/comparison   an answer: 200 {"seq", "saved": true, "extra"} once
//                          durable; extra: it came late and does not count
//   POST /api/continue     the next human turn of an answered dialogue:
//                          200 {"queued": true}
//   /api/import, /api/batches…, /api/webhook/…   batch_api.h
//   GET  /api/stats        counts; ?worker_id=NAME adds the worker's own
//   GET  /api/comparisons, /api/summary, /api/elo, /api/pms, /api/export:
//                          requester_api.h
//   GET  /api/workers      what is known of each worker
//   POST /api/workers/pause  {"worker_id", "paused"}: 200 {"paused"}, 404 for
//                          who has neither an account, an answer nor a task
//   GET  /api/agreement    how far workers agree, and who copies
//   GET  /metrics, /healthz
//
// What is in a request is in api_messages.h. Errors are {"error": message}: 400
// malformed, 401 not logged in (303 to /login for a page), 403 not this
// worker's task, no further task for a worker who is paused (what was begun may
// still be handed in) or has given all answers that one may give, a foreign
// Host or Origin, no CSRF token or not the role for it, 404, 405, 409
// answered before or a comparison_id reused, 413 too long, 415 another type
// than the route's, 429 too often, 503 try again, 507 disk full.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>

#include "core/base/clock.h"
#include "core/telemetry/http_server.h"
#include "feedback/access/access_control.h"
#include "feedback/access/caller.h"
#include "feedback/access/login_api.h"
#include "feedback/answer_desk.h"
#include "feedback/feedback_metrics.h"
#include "feedback/preference_store.h"
#include "feedback/requester_api.h"
#include "feedback/routes.h"
#include "prometheus/registry.h"

namespace rlhf {

// A request that was let in.
struct ApiCall {
  const HttpRequest& request;
  const Caller& caller;
  // What stands for "{id}" in the route's path.
  std::string id;
};
using ApiHandler = std::function<HttpResponse(const ApiCall&)>;

// Thread-safe once every handler is set.
class HttpApi {
 public:
  // Nothing is owned; everything must outlive the API. `registry` is what
  // /metrics shows. Without `access` nobody has to log in and only this machine
  // is served; without `requester` its routes are not there.
  HttpApi(AnswerDesk* desk, const PreferenceStore* store,
          const prometheus::Registry* registry, FeedbackMetrics* metrics,
          AccessControl* access = nullptr, RequesterApi* requester = nullptr);

  // Sets what answers a route of routes.h; dies if there is no such row. Before
  // the first request.
  void On(const std::string& method, const std::string& path,
          ApiHandler handler);

  // Every response carries headers that keep browsers from running or loading
  // anything but the page itself.
  HttpResponse Handle(const HttpRequest& request);

  // The same for a request whose body is not there yet, if Handle refuses it
  // whatever the body is; else nullopt.
  std::optional<HttpResponse> RefuseUnread(const HttpRequest& request);

  // Whether a route has a handler, or a file of the page stands at `path`.
  bool Serves(const Route& route, absl::string_view path) const;

  // The bodies' limits and the lanes of routes.h.
  static HttpLimits Limits();

 private:
  // What is known of a request without its body.
  struct Admission {
    // Why it is not let in.
    std::optional<HttpResponse> refused;
    // Set if the site and the accounts let anybody ask.
    std::optional<Caller> caller;
    RouteMatch match;
  };

  void SetHandlers();
  void SetAccessHandlers();
  void SetRequesterHandlers();
  Admission Admit(const HttpRequest& request);
  // By its status, if it is one of those that keep somebody out.
  void CountRefusal(int status);
  HttpResponse Answer(const HttpRequest& request);
  HttpResponse NoAccountsToRead(const absl::Status& status);
  HttpResponse Dispatch(const RouteMatch& match, const HttpRequest& request,
                        const Caller& caller);
  HttpResponse PostTask(const HttpRequest& request);
  HttpResponse PostComparison(const HttpRequest& request);
  HttpResponse PostContinue(const HttpRequest& request);
  HttpResponse PostPause(const ApiCall& call);
  // Whether `worker_id` is an account's pseudonym.
  bool HasAccount(const std::string& worker_id) const;
  HttpResponse GetStats(const HttpRequest& request);

  AnswerDesk* const desk_;
  const PreferenceStore* const store_;
  const prometheus::Registry* const registry_;
  FeedbackMetrics* const metrics_;
  AccessControl* const access_;
  RequesterApi* const requester_;
  const RealClock clock_;
  LoginApi login_;
  // By "METHOD PATH", as in routes.h.
  std::map<std::string, ApiHandler> handlers_;
  std::atomic<bool> fault_is_logged_ = false;
};

}  // namespace rlhf
