#include "feedback/api_responses.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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

HttpResponse ErrorResponse(const absl::Status& status) {
  HttpResponse response =
      JsonErrorResponse(HttpStatusOf(status.code()), status.message());
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
