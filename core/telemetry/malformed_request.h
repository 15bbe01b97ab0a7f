// Requests that no handler sees: what they say could mean one thing here and
// another to whatever passed them on.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "core/telemetry/http_server.h"

namespace rlhf {

// What a request does not show any more once its lines are in an HttpRequest.
struct RequestFaults {
  // Its query is not in the request then.
  bool is_uri_too_long = false;
  // A header that came twice and may not; else empty.
  std::string repeated_header;
};

// More than 8 KiB, or more than 100 arguments. The library keeps 32 KiB of a
// request, and 72 bytes more for each argument and header: this leaves room.
bool IsUriTooLong(absl::string_view uri);

// Whether a header may be sent twice: not what tells who asks, where the body
// ends and what it is. `name` in lower case.
bool MayRepeat(absl::string_view name);

// 414 or 400 with what to do, or nullopt for a request that says one thing.
std::optional<HttpResponse> RefuseMalformed(const HttpRequest& request,
                                            const RequestFaults& faults);

}  // namespace rlhf
