#include "feedback/api_responses.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/log.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

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

}  // namespace

HttpResponse JsonResponse(std::string body) {
  return {.content_type = "application/json", .body = std::move(body) + "\n"};
}

std::string WithoutFolders(absl::string_view message) {
  constexpr absl::string_view kEndsOfPath = " \t\n\"'`:;,()";
  std::string shown;
  while (!message.empty()) {
    const size_t end =
        std::min(message.find_first_of(kEndsOfPath), message.size());
    absl::string_view word = message.substr(0, end);
    if (absl::StartsWith(word, "/") && !absl::StartsWith(word, "/api/")) {
      word.remove_prefix(word.rfind('/') + 1);
    }
    absl::StrAppend(&shown, word, message.substr(end, 1));
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return shown;
}

HttpResponse ErrorResponse(const absl::Status& status) {
  const int code = HttpStatusOf(status.code());
  std::string message(status.message());
  // Faults of this machine, of which who asks need not know where they are.
  if (code >= 500) {
    std::string shown = WithoutFolders(message);
    if (shown != message) {
      RLHF_LOG(ERROR) << "answered " << code << ": " << message;
    }
    message = std::move(shown);
  }
  HttpResponse response = JsonErrorResponse(code, message);
  if (response.status == 503) response.headers.emplace_back("Retry-After", "1");
  return response;
}

absl::StatusOr<Json> ParseObject(absl::string_view body,
                                 std::initializer_list<const char*> known) {
  RLHF_ASSIGN_OR_RETURN(Json object, ParseJson(body));
  if (!object.is_object()) {
    return absl::InvalidArgumentError("the body must be a JSON object");
  }
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", key, "\" is not known; known are ",
                       absl::StrJoin(known, ", ")));
    }
  }
  return object;
}

}  // namespace rlhf
