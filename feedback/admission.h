// Whether a request is let in to a route: pure rules over what is known of it.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "core/telemetry/http_server.h"
#include "feedback/access/caller.h"
#include "feedback/routes.h"

namespace rlhf {

// 403 if the request is for another host than the loopback and `public_origin`
// (empty: none), or is a POST from the page of another site.
std::optional<HttpResponse> RefuseSite(const HttpRequest& request,
                                       absl::string_view public_origin);

// Why `caller` may not use the route: 401 where a login would help (for a page,
// 303 to the login), 403 for another role and for a POST without the session's
// CSRF token and an Origin, 404 for what is not for other machines.
std::optional<HttpResponse> RefuseCaller(const Route& route,
                                         const Caller& caller,
                                         const HttpRequest& request);

// 415 if the body is of another type than the route's.
std::optional<HttpResponse> RefuseType(const Route& route,
                                       const HttpRequest& request);

// 404, or 405 with Allow, for a request that has no route.
HttpResponse NoRoute(const RouteMatch& match, const HttpRequest& request);

// 429 with Retry-After, in whole seconds.
HttpResponse TooManyRequests(absl::Duration wait);

// The request as if `worker_id` stood in it, in the query and in a body that is
// a JSON object; another body is left alone.
HttpRequest AsWorker(const HttpRequest& request, const std::string& worker_id);

}  // namespace rlhf
