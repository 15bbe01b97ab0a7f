#include "core/telemetry/malformed_request.h"

#include <algorithm>
#include <cstddef>
#include <iterator>

#include "absl/strings/str_cat.h"

namespace rlhf {
namespace {

constexpr size_t kMaxUriBytes = 8 * 1024;
constexpr int kMaxQueryArguments = 100;

constexpr absl::string_view kSingleHeaders[] = {
    "authorization", "content-length",    "content-type", "cookie",   "host",
    "origin",        "transfer-encoding", "x-csrf-token", "x-real-ip"};

}  // namespace

bool IsUriTooLong(absl::string_view uri) {
  const auto num_arguments = std::count(uri.begin(), uri.end(), '&') + 1;
  return uri.size() > kMaxUriBytes || num_arguments > kMaxQueryArguments;
}

bool MayRepeat(absl::string_view name) {
  return std::find(std::begin(kSingleHeaders), std::end(kSingleHeaders),
                   name) == std::end(kSingleHeaders);
}

std::optional<HttpResponse> RefuseMalformed(const HttpRequest& request,
                                            const RequestFaults& faults) {
  if (faults.is_uri_too_long) {
    return JsonErrorResponse(
        414, absl::StrCat("the URI has more than ", kMaxUriBytes,
                          " bytes or more than ", kMaxQueryArguments,
                          " query arguments: send less"));
  }
  if (!faults.repeated_header.empty()) {
    return JsonErrorResponse(
        400, absl::StrCat("the header ", faults.repeated_header,
                          " was sent more than once: send it once"));
  }
  if (request.headers.contains("content-length") &&
      request.headers.contains("transfer-encoding")) {
    return JsonErrorResponse(400,
                             "content-length and transfer-encoding were sent "
                             "together: send one of them");
  }
  return std::nullopt;
}

}  // namespace rlhf
