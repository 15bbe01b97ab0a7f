// What the handlers of the JSON API share: bodies in, responses out.
#pragma once

#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/base/json.h"
#include "core/telemetry/http_server.h"

namespace rlhf {

// `body` is one line of JSON.
HttpResponse JsonResponse(std::string body);

// {"error": message} with the HTTP status for the code: 400 InvalidArgument,
// 401 Unauthenticated, 403 PermissionDenied, 404 NotFound, 409 AlreadyExists
// and FailedPrecondition, 410 OutOfRange, 503 Unavailable (with Retry-After),
// 507 ResourceExhausted, else 500. From 500 on the message goes without
// folders; what it was is logged.
HttpResponse ErrorResponse(const absl::Status& status);

// `message` with the last part only of each absolute path in it, but for those
// of the API: what folders this machine has is nobody's business.
std::string WithoutFolders(absl::string_view message);

// A JSON object that has no members but `known`.
// Errors: InvalidArgument.
absl::StatusOr<Json> ParseObject(absl::string_view body,
                                 std::initializer_list<const char*> known);

}  // namespace rlhf
