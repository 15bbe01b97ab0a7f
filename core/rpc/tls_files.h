// The files of RunConfig.tls as a process reads them when it starts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Reads the three files and proves that peers will take them: that the key is
// the certificate's, that an authority of `ca` signed it for clients and
// servers and it is in force now, and that it names `role` of `run` - or any
// role of it, if `role` is the operator's: verbs may run beside a role, with
// its files.
//
// Errors, which name field and file: NotFound and the like for a file that
// cannot be read, InvalidArgument for what it holds.
absl::Status CheckTlsFiles(const v1::TlsConfig& files, const std::string& run,
                           const std::string& role);

// Until when the first certificate of the PEM file `path` is in force.
// Errors: as CheckTlsFiles.
absl::StatusOr<absl::Time> CertificateEnd(const std::string& path);

}  // namespace rlhf
