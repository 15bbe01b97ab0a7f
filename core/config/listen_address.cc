#include "core/config/listen_address.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/config/address.h"
#include "core/config/tls_checks.h"

namespace rlhf {

std::string ListenAddress(const v1::RunConfig& config,
                          const std::string& address) {
  if (config.listen_host().empty()) return address;
  return absl::StrCat(config.listen_host(), address.substr(address.rfind(':')));
}

void CheckListenHost(const v1::RunConfig& config,
                     std::vector<FieldProblem>& problems) {
  const std::string& host = config.listen_host();
  if (host.empty()) return;
  const bool in_brackets =
      absl::StartsWith(host, "[") && absl::EndsWith(host, "]");
  if (absl::StrContains(host, ':') && !in_brackets) {
    problems.push_back(
        {"listen_host",
         absl::StrCat("is \"", host,
                      "\"; wanted a host without a port, such as 0.0.0.0, "
                      "10.0.0.7 or [fd00::7]: ports are those of the roles' "
                      "addresses")});
    return;
  }
  const absl::Status status =
      CheckAddress(absl::StrCat(host, ":0"), HasTls(config));
  if (!status.ok()) {
    problems.push_back(
        {"listen_host", absl::StrCat("is wrong: ", status.message())});
  }
}

}  // namespace rlhf
