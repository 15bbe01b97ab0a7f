#include "feedback/batch_api.h"

#include <functional>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/hash.h"
#include "core/base/json.h"
#include "core/base/status_macros.h"
#include "feedback/access/secrets.h"
#include "feedback/api_responses.h"
#include "feedback/batch/batch_report.h"

namespace rlhf {
namespace {

constexpr char kSecretHeader[] = "x-webhook-secret";

HttpResponse WithStatus(int status, const std::string& json) {
  HttpResponse response = JsonResponse(json);
  response.status = status;
  return response;
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
  if (!json.ok()) return WithStatus(StatusOf(report), BatchReportJson(report));
  Json body = *json;
  if (report.verdict() == v1::BATCH_REFUSED) {
    std::string error = report.reason();
    for (const std::string& malformed : report.malformed()) {
      absl::StrAppend(&error, "\n", malformed);
    }
    body["error"] = absl::StrCat(error, "\nnothing was imported");
  }
  return WithStatus(StatusOf(report), DumpJson(body));
}

}  // namespace

void BatchApi::AddTo(HttpApi& api) {
  using Method = std::function<absl::StatusOr<HttpResponse>(const ApiCall&)>;
  const auto on = [&api](const char* method, const char* path, Method answer) {
    api.On(method, path, [answer = std::move(answer)](const ApiCall& call) {
      absl::StatusOr<HttpResponse> response = answer(call);
      return response.ok() ? *std::move(response)
                           : ErrorResponse(response.status());
    });
  };
  on("POST", "/api/import", [this](const ApiCall& c) { return Import(c); });
  on("GET", "/api/batches", [this](const ApiCall& c) { return List(c); });
  on("GET", "/api/batches/{id}", [this](const ApiCall& c) { return Get(c); });
  on("POST", "/api/batches/{id}/release",
     [this](const ApiCall& c) { return Decide(c, /*release=*/true); });
  on("POST", "/api/batches/{id}/refuse",
     [this](const ApiCall& c) { return Decide(c, /*release=*/false); });
  on("POST", "/api/webhook/argilla",
     [this](const ApiCall& c) { return Argilla(c); });
  on("POST", "/api/webhook/label-studio",
     [this](const ApiCall& c) { return LabelStudio(c); });
}

absl::StatusOr<HttpResponse> BatchApi::Get(const ApiCall& call) const {
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, desk_->Get(call.id));
  return WithStatus(200, BatchReportJson(report));
}

absl::StatusOr<HttpResponse> BatchApi::Import(const ApiCall& call) {
  const HttpRequest& request = call.request;
  const std::string dry_run = QueryValue(request, "dry_run", "0");
  if (dry_run != "0" && dry_run != "1") {
    return absl::InvalidArgumentError(
        absl::StrCat("dry_run is \"", dry_run, "\"; it must be 0 or 1"));
  }
  std::string name = QueryValue(request, "source", "request");
  // By its name CSV is known from JSON.
  if (absl::StartsWithIgnoreCase(request.header("content-type"), "text/csv") &&
      !absl::EndsWithIgnoreCase(name, ".csv")) {
    name += ".csv";
  }
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report,
                        desk_->Import({.text = request.body,
                                       .name = std::move(name),
                                       .dry_run = dry_run == "1"}));
  return ReportResponse(report);
}

absl::StatusOr<HttpResponse> BatchApi::List(const ApiCall& call) const {
  v1::ListBatchesRequest request;
  const std::string limit = QueryValue(call.request, "limit", "100");
  int32_t number = 0;
  // In the request 0 is the usual number; here nobody has to say so.
  if (!absl::SimpleAtoi(limit, &number) || number < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "limit is \"", limit, "\"; it must be a whole number from 1 on"));
  }
  request.set_limit(number);
  request.set_before(QueryValue(call.request, "before", ""));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchList list, desk_->List(request));
  Json batches = Json::array();
  for (const v1::BatchReport& report : list.batches()) {
    batches.push_back({{"batch_id", report.batch_id()},
                       {"source", report.source()},
                       {"received_unix_ms", report.received_unix_ms()},
                       {"state", BatchStateWord(report)},
                       {"comparisons", report.num_comparisons()},
                       {"report", BatchReportText(report)}});
  }
  return WithStatus(200, DumpJson({{"batches", std::move(batches)},
                                   {"has_more", list.has_more()}}));
}

absl::StatusOr<HttpResponse> BatchApi::Decide(const ApiCall& call,
                                              bool release) {
  RLHF_ASSIGN_OR_RETURN(const Json body,
                        ParseObject(call.request.body, {"by", "reason"}));
  v1::DecideBatchRequest decision;
  decision.set_batch_id(call.id);
  decision.set_release(release);
  std::string by;
  if (body.contains("by")) {
    RLHF_ASSIGN_OR_RETURN(by, GetString(body, "by"));
  }
  decision.set_by(call.caller.NameOr(by));
  RLHF_ASSIGN_OR_RETURN(*decision.mutable_reason(), GetString(body, "reason"));
  RLHF_ASSIGN_OR_RETURN(const v1::BatchReport report, desk_->Decide(decision));
  return WithStatus(200, BatchReportJson(report));
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
absl::StatusOr<HttpResponse> BatchApi::Argilla(const ApiCall& call) {
  const HttpRequest& request = call.request;
  if (secret_.empty()) {
    return absl::NotFoundError("feedback.webhook_secret_file is not set");
  }
  const auto record = ReadArgillaEvent(request.body);
  RLHF_RETURN_IF_ERROR(
      CheckSigned(request, record.ok() ? *record : WebhookRecord()));
  RLHF_RETURN_IF_ERROR(record.status());
  return Take(*record, std::string(request.header("webhook-id")), "argilla");
}

absl::StatusOr<HttpResponse> BatchApi::LabelStudio(const ApiCall& call) {
  const HttpRequest& request = call.request;
  if (secret_.empty()) {
    return absl::NotFoundError("feedback.webhook_secret_file is not set");
  }
  const absl::string_view sent = request.header(kSecretHeader);
  if (!sent.empty() && !EqualSecrets(sent, secret_)) {
    return absl::UnauthenticatedError("X-Webhook-Secret is not our secret");
  }
  const auto record = ReadLabelStudioEvent(request.body);
  if (sent.empty()) {
    RLHF_RETURN_IF_ERROR(CheckSigned(request, WebhookRecord()));
    RLHF_RETURN_IF_ERROR(record.status());
    return Take(*record, std::string(request.header("webhook-id")),
                "label-studio");
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
  return WithStatus(status, DumpJson(answer));
}

}  // namespace rlhf
