// Batches over HTTP: imports, what became of them, and webhooks.
//
//   POST /api/import?source=NAME  a file of any form that `rlhf feedback
//   import`
//                                 reads; with &dry_run=1 nothing is written:
//                                 BatchReport (feedback_import.proto) as JSON,
//                                 200 accepted, 202 quarantined, 400 refused
//   GET  /api/batches             {"batches": [{"batch_id", "source",
//                                 "received_unix_ms", "state", "report"}]},
//                                 newest first, the report as text for people
//   GET  /api/batches/ID          BatchReport
//   POST /api/batches/ID/release  {"by", "reason"}: BatchReport
//   POST /api/batches/ID/refuse   the same
//   POST /api/webhook/argilla     signed as Standard Webhooks say
//   POST /api/webhook/label-studio  the same, or with the secret itself in the
//                                 header X-Webhook-Secret, as Label Studio can
//                                 send no more; then the annotation's time
//                                 must be of the last 5 minutes:
//                                 200 {"accepted", "verdict"}, 202 quarantined,
//                                 401 not signed, 409 taken before. 404 if no
//                                 secret is configured.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "core/base/clock.h"
#include "core/telemetry/http_server.h"
#include "feedback/batch_desk.h"
#include "feedback/webhook_payloads.h"
#include "feedback/webhook_signature.h"

namespace rlhf {

// Thread-safe.
class BatchApi {
 public:
  // Not owned; both must outlive the API. `webhook_secret`: empty for none.
  BatchApi(BatchDesk* desk, const Clock* clock, std::string webhook_secret)
      : desk_(desk), clock_(clock), secret_(std::move(webhook_secret)) {}

  // The response to a request for one of the paths above, or the error that it
  // ends with; nullopt for any other path.
  std::optional<absl::StatusOr<HttpResponse>> Get(const HttpRequest& request);
  std::optional<absl::StatusOr<HttpResponse>> Post(const HttpRequest& request);

 private:
  absl::StatusOr<HttpResponse> Import(const HttpRequest& request);
  absl::StatusOr<HttpResponse> List() const;
  absl::StatusOr<HttpResponse> Decide(const std::string& batch_id, bool release,
                                      const HttpRequest& request);
  absl::StatusOr<HttpResponse> Argilla(const HttpRequest& request);
  absl::StatusOr<HttpResponse> LabelStudio(const HttpRequest& request);
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
