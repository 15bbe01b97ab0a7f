// Batches over HTTP: imports, what became of them, and webhooks. Who may use
// them is in routes.cc.
//
//   POST /api/import?source=NAME  a file of any form that `rlhf feedback
//                                 import` reads; with &dry_run=1 nothing is
//                                 written: BatchReport (feedback_import.proto)
//                                 as JSON, 200 accepted, 202 quarantined, 400
//                                 refused
//   GET  /api/batches?limit=N&before=ID
//                                 {"batches": [{"batch_id", "source",
//                                 "received_unix_ms", "state", "report"}],
//                                 "has_more"}, newest first, the report as text
//                                 for people; the newest 100, or N (1 to
//                                 1,000), or those behind the batch ID
//   GET  /api/batches/ID          BatchReport
//   POST /api/batches/ID/release  {"by", "reason"}: BatchReport. With a login,
//                                 the account is who decides, whatever "by"
//                                 says
//   POST /api/batches/ID/refuse   the same
//   POST /api/webhook/argilla     signed as Standard Webhooks say
//   POST /api/webhook/label-studio  the same, or with the secret itself in the
//                                 header X-Webhook-Secret, as Label Studio can
//                                 send no more; then the annotation's time
//                                 must be of the last 5 minutes:
//                                 200 {"accepted", "verdict"}, 202 quarantined,
//                                 401 not signed, 409 taken before. 404 if no
//                                 secret is configured. The signature is the
//                                 proof: no login, no CSRF token.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/telemetry/http_server.h"
#include "feedback/batch_desk.h"
#include "feedback/http_api.h"
#include "feedback/webhook_payloads.h"
#include "feedback/webhook_signature.h"

namespace rlhf {

// Thread-safe.
class BatchApi {
 public:
  // Not owned; both must outlive the API. `webhook_secret`: empty for none.
  BatchApi(BatchDesk* desk, const Clock* clock, std::string webhook_secret)
      : desk_(desk), clock_(clock), secret_(std::move(webhook_secret)) {}

  // Sets the handlers of the routes above. This must outlive `api`'s requests.
  void AddTo(HttpApi& api);

  // Each answers one of them, or says what the request ends with
  // (ErrorResponse).
  absl::StatusOr<HttpResponse> Import(const ApiCall& call);
  absl::StatusOr<HttpResponse> List(const ApiCall& call) const;
  absl::StatusOr<HttpResponse> Get(const ApiCall& call) const;
  absl::StatusOr<HttpResponse> Decide(const ApiCall& call, bool release);
  absl::StatusOr<HttpResponse> Argilla(const ApiCall& call);
  absl::StatusOr<HttpResponse> LabelStudio(const ApiCall& call);

 private:
  absl::Status CheckSigned(const HttpRequest& request,
                           const WebhookRecord& record) const;
  absl::StatusOr<HttpResponse> Take(const WebhookRecord& record,
                                    const std::string& id,
                                    const std::string& tool);

  BatchDesk* const desk_;
  const Clock* const clock_;
  const std::string secret_;
  ReplayGuard taken_;
};

}  // namespace rlhf
