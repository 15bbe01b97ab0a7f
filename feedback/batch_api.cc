#include "feedback/batch_api.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "feedback/batch/batch_report.h"

namespace rlhf {
namespace {

constexpr absl::string_view kBatch = "/api/batches/";
constexpr char kSecretHeader[] = "x-webhook-secret";

HttpResponse Answer(int status, const std::string& json) {
  return {.status = status,
          .content_type = "application/json",
          .body = json + "\n"};
}

int StatusOf(const v1::BatchReport& report) {
  switch (report.verdict()) {
    case v1::BATCH_ACCEPTED:
      return 200;
    case v1::BATCH_QUARANTINED:
      return 202;
    default:
      return 400;
  }
}

std::string QueryValue(const HttpRequest& request, const std::string& key,
                       const std::string& otherwise) {
  const auto found = request.query.find(key);
  return found == request.query.end() ? otherwise : found->second;
}

// What a refused batch says to whoever reads no reports.
HttpResponse ReportResponse(const v1::BatchReport& report) {
  const absl::StatusOr<Json> json = ParseJson(BatchReportJson(report));
  if (!json.ok()) return Answer(StatusOf(report), BatchReportJson(report));
  Json body = *json;
  if (report.verdict() == v1::BATCH_REFUSED) {
    std::string error = report.reason();
    for (const std::string& malformed : report.malformed()) {
      absl::StrAppend(&error, "\n", malformed);
    }
    body["error"] = absl::StrCat(error, "\nnothing was imported");
  }
  return Answer(StatusOf(report), DumpJson(body));
}

}  // namespace

std::optional<absl::StatusOr<HttpResponse>> BatchApi::Get(
    const HttpRequest& request) {
  if (request.path == "/api/batches") return List();
  if (!absl::StartsWith(request.path, kBatch)) return std::nullopt;
  const auto report = desk_->Get(request.path.substr(kBatch.size()));
  if (!report.ok()) return report.status();
  return Answer(200, BatchReportJson(*report));
}

std::optional<absl::StatusOr<HttpResponse>> BatchApi::Post(
    const HttpRequest& request) {
  if (request.path == "/api/import") return Import(request);
  if (request.path == "/api/webhook/argilla") return Argilla(request);
  if (request.path == "/api/webhook/label-studio") return LabelStudio(request);
  absl::string_view id = request.path;
  if (!absl::ConsumePrefix(&id, kBatch)) return std::nullopt;
  const bool release = absl::ConsumeSuffix(&id, "/release");
  if (!release && !absl::ConsumeSuffix(&id, "/refuse")) return std::nullopt;
  return Decide(std::string(id), release, request);
}

absl::StatusOr<HttpResponse> BatchApi::Import(const HttpRequest& request) {
  const std::string dry_run = QueryValue(request, "dry_run", "0");
  if (dry_run != "0" && dry_run != "1") {
    return absl::InvalidArgumentError(
        absl::StrCat("dry_run is \"", dry_run, "\"; it must be 0 or 1"));
  }
  RLHF_ASSIGN_OR_RETURN(
      const v1::BatchReport report,
      desk_->Import({.text = request.body,
                     .name = QueryValue(request, "source", "request"),
                     .dry_run = dry_run == "1"}));
  return ReportResponse(report);
}

absl::StatusOr<HttpResponse> BatchApi::List() const {
  RLHF_ASSIGN_OR_RETURN(const auto reports, desk_->List());
  Json batches = Json::array();
  for (const v1::BatchReport& report : reports) {
    batches.push_back({{"batch_id", report.batch_id()},
                       {"source", report.source()},
                       {"received_unix_ms", report.received_unix_ms()},
                       {"state", BatchStateWord(report)},
                       {"report", BatchReportText(report)}});
  }
  return Answer(200, DumpJson({{"batches", std::move(batches)}}));
}

absl::StatusOr<HttpResponse> BatchApi::Decide(const std::string& batch_id,
                                              bool release,
                                              const HttpRequest& request) {
  RLHF_ASSIGN_OR_RETURN(const Json body, ParseJson(request.body));
  if (!body.is_object()) {
    return absl::InvalidArgumentError("the body must be a JSON object");
  }
  v1::DecideBatchRequest decision;
  decision.set_batch_id(batch_id);
  decision.set_release(release);
  RLHF_ASSIGN_OR_RETURN(*decision.mutable_by(), GetString(body, "by"));
  RLHF_ASSIGN_OR_RETURN(*decision.mutable_reason(), GetString(body, "reason"));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, desk_->Decide(decision));
  return Answer(200, BatchReportJson(report));
}

absl::Status BatchApi::CheckSigned(const HttpRequest& request,
                                   const WebhookRecord& record) const {
  std::string event_time;
  if (record.time != absl::InfinitePast()) {
    event_time = absl::StrCat(absl::ToUnixSeconds(record.time));
  }
  return VerifySignature({.id = request.header("webhook-id"),
                          .timestamp = request.header("webhook-timestamp"),
                          .signature = request.header("webhook-signature")},
                         request.body, secret_, event_time, clock_->Now());
}

// Without a secret there is no webhook; the body of a stranger is parsed only
// for the time in it, and nothing of it is told before the signature is right.
absl::StatusOr<HttpResponse> BatchApi::Argilla(const HttpRequest& request) {
  if (secret_.empty()) {
    return absl::NotFoundError("feedback.webhook_secret_file is not set");
  }
  const auto record = ReadArgillaEvent(request.body);
  RLHF_RETURN_IF_ERROR(
      CheckSigned(request, record.ok() ? *record : WebhookRecord()));
  RLHF_RETURN_IF_ERROR(record.status());
  return Take(*record, std::string(request.header("webhook-id")), "argilla");
}

absl::StatusOr<HttpResponse> BatchApi::LabelStudio(const HttpRequest& request) {
  if (secret_.empty()) {
    return absl::NotFoundError("feedback.webhook_secret_file is not set");
  }
  const absl::string_view sent = request.header(kSecretHeader);
  const auto record = ReadLabelStudioEvent(request.body);
  if (sent.empty()) {
    RLHF_RETURN_IF_ERROR(CheckSigned(request, WebhookRecord()));
    RLHF_RETURN_IF_ERROR(record.status());
    return Take(*record, std::string(request.header("webhook-id")),
                "label-studio");
  }
  if (!IsSameSecret(sent, secret_)) {
    return absl::UnauthenticatedError("X-Webhook-Secret is not our secret");
  }
  RLHF_RETURN_IF_ERROR(record.status());
  if (record->line.has_value()) {
    RLHF_RETURN_IF_ERROR(CheckIsFresh(record->time, clock_->Now()));
  }
  return Take(*record, Sha256Hex(request.body), "label-studio");
}

absl::StatusOr<HttpResponse> BatchApi::Take(const WebhookRecord& record,
                                            const std::string& id,
                                            const std::string& tool) {
  if (taken_.WasTaken(id, clock_->Now())) {
    return absl::AlreadyExistsError("this webhook was taken before");
  }
  int status = 200;
  Json answer = {{"accepted", 0}, {"verdict", "ignored"}};
  if (record.line.has_value()) {
    RLHF_ASSIGN_OR_RETURN(
        const v1::BatchReport report,
        desk_->Import({.text = *record.line, .name = tool, .single = true}));
    if (report.verdict() == v1::BATCH_REFUSED) return ReportResponse(report);
    status = StatusOf(report);
    answer = {{"accepted", report.accepted()},
              {"verdict", BatchStateWord(report)}};
  }
  // Only now: what failed may be sent again under the same id.
  taken_.SetTaken(id, clock_->Now());
  return Answer(status, DumpJson(answer));
}

}  // namespace rlhf
