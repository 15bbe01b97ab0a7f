#include "cli/versions.h"

#include <google/protobuf/stubs/common.h>
#include <grpcpp/grpcpp.h>
#include <sqlite3.h>
#include <torch/headeronly/version.h>

#include "absl/strings/str_cat.h"
#include "core/base/version.h"

namespace rlhf {

std::string VersionText() {
  return absl::StrCat(
      "rlhf ", kRlhfVersion, " (", kGitRevision, ")\nLibTorch ", TORCH_VERSION,
      ", gRPC ", grpc::Version(), ", protobuf ",
      google::protobuf::internal::VersionString(GOOGLE_PROTOBUF_VERSION),
      ", SQLite ", sqlite3_libversion(), "\n");
}

}  // namespace rlhf
