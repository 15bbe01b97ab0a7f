// What the feedback process serves over HTTP: the page, the JSON API of
// workers, imports and metrics.
//
//   GET  /                 the page (also /page.css, /page.js)
//   POST /api/task         a task to do: 200, 204 none right now, 410 no more
//   POST /api/comparison   an answer: 200 {"seq", "saved": true} once durable
//   /api/import, /api/batches…, /api/webhook/…   batch_api.h
//   GET  /api/stats        counts; ?worker_id=NAME adds the worker's own
//   GET  /metrics, /healthz
//
// What is in a request is in api_messages.h. Errors are {"error": message}: 400
// malformed, 401 not signed, 403 not this worker's task or a foreign Origin,
// 404, 405, 409 superseded or a comparison_id reused, 413 too long, 415 another
// type than application/json (for /api/import, application/x-ndjson), 503 try
// again, 507 disk full.
#pragma once

#include "core/telemetry/http_server.h"
#include "feedback/answer_desk.h"
#include "feedback/batch_api.h"
#include "feedback/preference_store.h"
#include "prometheus/registry.h"

namespace rlhf {

// Thread-safe.
class HttpApi {
 public:
  // Nothing is owned; everything must outlive the API.
  HttpApi(AnswerDesk* desk, const PreferenceStore* store,
          const prometheus::Registry* registry, BatchApi* batches)
      : desk_(desk), store_(store), registry_(registry), batches_(batches) {}

  // Every response carries headers that keep browsers from running or loading
  // anything but the page itself.
  HttpResponse Handle(const HttpRequest& request);

  // Bodies of at most 256 KiB; 16 MiB for imports, 1 MiB for webhooks.
  static HttpLimits Limits();

 private:
  HttpResponse HandleGet(const HttpRequest& request);
  HttpResponse HandlePost(const HttpRequest& request);
  HttpResponse PostTask(const HttpRequest& request);
  HttpResponse PostComparison(const HttpRequest& request);
  HttpResponse GetStats(const HttpRequest& request);

  AnswerDesk* const desk_;
  const PreferenceStore* const store_;
  const prometheus::Registry* const registry_;
  BatchApi* const batches_;
};

}  // namespace rlhf
