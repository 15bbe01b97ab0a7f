// Headers of requests, and names of peers, one a line: feedback/access/,
// core/telemetry/ and core/rpc/.
#include "core/base/check.h"
#include "core/rpc/role_uri.h"
#include "core/telemetry/malformed_request.h"
#include "core/telemetry/trace_context.h"
#include "feedback/access/session_cookie.h"
#include "feedback/access/web_origin.h"
#include "feedback/routes.h"
#include "tests/fuzz/fuzz_target.h"

namespace rlhf {
namespace {

void ReadHeader(absl::string_view header) {
  for (const bool is_https : {false, true}) {
    const std::string id = SessionIdFromCookies(header, is_https);
    RLHF_CHECK(id.find(';') == id.npos);
  }
  RLHF_CHECK(!IsOwnHost("evil.example", header) ||
             header.find("evil.example") != header.npos);
  RLHF_CHECK(!AddressKey(std::string(header)).empty());
  const auto context = ParseTraceparent(header);
  if (context.has_value()) {
    RLHF_CHECK(ParseTraceparent(ToTraceparent(*context)) == context);
  }
  MayRepeat(header);
  IsUriTooLong(header);
  CheckExplained(RoleOf({header}, "run").status(),
                 {absl::StatusCode::kUnauthenticated});
}

RLHF_FUZZ_TARGET(http_headers) {
  std::string before;
  while (!input.empty()) {
    const absl::string_view line = TakePart("\n", input);
    ReadHeader(line);
    IsOwnOrigin(line, before, "https://people.example");
    v1::AccessConfig config;
    config.set_require_login(true);
    config.set_public_origin(before);
    CheckExplained(CheckPublicOrigin(config),
                   {absl::StatusCode::kInvalidArgument});
    FindRoute("GET", line);
    before = std::string(line);
  }
}

}  // namespace
}  // namespace rlhf
