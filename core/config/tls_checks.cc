#include "core/config/tls_checks.h"

#include <utility>

#include "absl/strings/str_replace.h"

namespace rlhf {

bool HasTls(const v1::RunConfig& config) {
  const v1::TlsConfig& tls = config.tls();
  return !tls.ca().empty() || !tls.certificate().empty() || !tls.key().empty();
}

v1::TlsConfig TlsFilesOf(const v1::TlsConfig& tls, const std::string& role) {
  v1::TlsConfig own = tls;
  for (std::string* path :
       {own.mutable_ca(), own.mutable_certificate(), own.mutable_key()}) {
    *path = absl::StrReplaceAll(*path, {{"{role}", role}});
  }
  return own;
}

void CheckTls(const v1::RunConfig& config,
              std::vector<FieldProblem>& problems) {
  if (!HasTls(config)) return;
  const v1::TlsConfig& tls = config.tls();
  for (const auto& [field, path] :
       {std::pair("tls.ca", tls.ca()),
        std::pair("tls.certificate", tls.certificate()),
        std::pair("tls.key", tls.key())}) {
    if (!path.empty()) continue;
    problems.push_back(
        {field,
         "is empty; wanted tls.ca, tls.certificate and tls.key, or none "
         "of them"});
  }
}

}  // namespace rlhf
