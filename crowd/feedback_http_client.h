// The feedback process's JSON API, as any client uses it.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/json.h"

namespace rlhf {

struct HttpReply {
  int status = 0;
  std::string body;
};

// POSTs `body` (JSON, or JSONL with `content_type` application/x-ndjson), with
// a `token` where the service asks for one. Errors: Unavailable if no reply of
// at most 4 MiB comes within `timeout`.
absl::StatusOr<HttpReply> PostHttp(
    const std::string& url, const std::string& body, absl::Duration timeout,
    const std::string& content_type = "application/json",
    const std::string& token = "");

// The same for a GET without a body. Errors: as PostHttp.
absl::StatusOr<HttpReply> GetHttp(const std::string& url,
                                  absl::Duration timeout);

// What a reply other than 200 says went wrong, in the service's own words where
// it has any: Unavailable for 5xx, OutOfRange for 410, FailedPrecondition for
// 403, 404 and 409, else InvalidArgument.
absl::Status HttpError(const std::string& url, const HttpReply& reply);

// Thread-compatible: one per thread.
class FeedbackHttpClient {
 public:
  // `address` is the feedback process's http_address.
  explicit FeedbackHttpClient(const std::string& address)
      : base_url_("http://" + address) {}

  // A task, or nullopt if there is none just now.
  //
  // Errors, with URL and the service's own words:
  //   OutOfRange          there will be none any more
  //   FailedPrecondition  this worker is paused, or has given all answers
  //   Unavailable         the service is away or asks to try again
  //   InvalidArgument     it does not take such a request
  absl::StatusOr<std::optional<Json>> TakeTask(const std::string& worker_id);

  // Hands in an answer; tries again, with the same comparison_id, until it is
  // saved, refused for good, or shutdown is requested.
  //
  // Errors: as TakeTask; FailedPrecondition if the task is no longer this
  // worker's.
  absl::Status Save(const Json& comparison);

 private:
  const std::string base_url_;
};

}  // namespace rlhf
