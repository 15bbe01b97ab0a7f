// The certificates of a run's processes: whether it has any, and which files
// are a role's.
#pragma once

#include <string>
#include <vector>

#include "core/config/field_checks.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Whether any file of `tls` is given, so that every call is encrypted and its
// caller known. A message that is there with all defaults is as good as none.
bool HasTls(const v1::RunConfig& config);

// `tls` as `role` reads it: "{role}" in the paths is its name.
v1::TlsConfig TlsFilesOf(const v1::TlsConfig& tls, const std::string& role);

// Adds what is wrong to `problems`: some files given and others not. Files
// themselves are looked at by the process that opens them.
void CheckTls(const v1::RunConfig& config, std::vector<FieldProblem>& problems);

}  // namespace rlhf
