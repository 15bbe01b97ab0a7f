#include "crowd/feedback_http_client.h"

#include <curl/curl.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/rpc/retry.h"

namespace rlhf {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
// A longer reply is none of this service's.
constexpr size_t kMaxReplyBytes = 4 << 20;

size_t AppendBody(char* data, size_t, size_t size, void* body) {
  std::string* const text = static_cast<std::string*>(body);
  if (text->size() + size > kMaxReplyBytes) return 0;  // curl gives up
  text->append(data, size);
  return size;
}

using CurlHandle = std::unique_ptr<CURL, void (*)(CURL*)>;

CurlHandle MakeHandle() {
  CurlHandle curl(curl_easy_init(), curl_easy_cleanup);
  RLHF_CHECK(curl != nullptr);
  return curl;
}

// Sends what `curl` is set up to send.
absl::StatusOr<HttpReply> Perform(CURL* curl, const std::string& url,
                                  absl::Duration timeout) {
  HttpReply reply;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS,
                   static_cast<long>(absl::ToInt64Milliseconds(timeout)));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &AppendBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return absl::UnavailableError(
        absl::StrCat(url, ": ", curl_easy_strerror(code)));
  }
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  return reply;
}

}  // namespace

absl::Status HttpError(const std::string& url, const HttpReply& reply) {
  std::string message = absl::StrCat(url, ": HTTP ", reply.status);
  const absl::StatusOr<Json> json = ParseJson(reply.body);
  if (json.ok() && json->is_object()) {
    const absl::StatusOr<std::string> error = GetString(*json, "error");
    if (error.ok()) absl::StrAppend(&message, ": ", *error);
  }
  switch (reply.status) {
    case 403:
    case 404:
    case 409:
      return absl::FailedPreconditionError(message);
    case 410:
      return absl::OutOfRangeError(message);
    default:
      return reply.status >= 500 ? absl::UnavailableError(message)
                                 : absl::InvalidArgumentError(message);
  }
}

absl::StatusOr<HttpReply> PostHttp(const std::string& url,
                                   const std::string& body,
                                   absl::Duration timeout,
                                   const std::string& content_type,
                                   const std::string& token) {
  const CurlHandle curl = MakeHandle();
  const std::string type_line = "Content-Type: " + content_type;
  // An empty line is a header that is not sent.
  const std::string token_line =
      token.empty() ? "Authorization:" : "Authorization: Bearer " + token;
  curl_slist* lines = curl_slist_append(nullptr, type_line.c_str());
  lines = curl_slist_append(lines, "Expect:");
  lines = curl_slist_append(lines, token_line.c_str());
  const std::unique_ptr<curl_slist, void (*)(curl_slist*)> headers(
      lines, curl_slist_free_all);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body.data());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                   static_cast<curl_off_t>(body.size()));
  return Perform(curl.get(), url, timeout);
}

absl::StatusOr<HttpReply> GetHttp(const std::string& url,
                                  absl::Duration timeout) {
  return Perform(MakeHandle().get(), url, timeout);
}

absl::StatusOr<std::optional<Json>> FeedbackHttpClient::TakeTask(
    const std::string& worker_id) {
  const std::string url = base_url_ + "/api/task";
  const std::string body = DumpJson(Json{{"worker_id", worker_id}});
  RLHF_ASSIGN_OR_RETURN(const HttpReply reply,
                        PostHttp(url, body, kCallTimeout));
  if (reply.status == 204) return std::optional<Json>();
  if (reply.status != 200) return HttpError(url, reply);
  RLHF_ASSIGN_OR_RETURN(Json task, ParseJson(reply.body));
  return std::optional<Json>(std::move(task));
}

absl::Status FeedbackHttpClient::Save(const Json& comparison) {
  const std::string url = base_url_ + "/api/comparison";
  const std::string body = DumpJson(comparison);
  return RetryTransient(absl::InfiniteDuration(), [&]() -> absl::Status {
    RLHF_ASSIGN_OR_RETURN(const HttpReply reply,
                          PostHttp(url, body, kCallTimeout));
    return reply.status == 200 ? absl::OkStatus() : HttpError(url, reply);
  });
}

}  // namespace rlhf
