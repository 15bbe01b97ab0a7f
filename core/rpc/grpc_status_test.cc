#include "core/rpc/grpc_status.h"

#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

TEST(GrpcStatusTest, EveryCodeSurvivesBothWays) {
  // The codes of absl/status/status.h: 0 (OK) to 16 (unauthenticated).
  for (int code = 1; code <= 16; ++code) {
    const absl::Status status(static_cast<absl::StatusCode>(code), "why");
    EXPECT_EQ(FromGrpcStatus(ToGrpcStatus(status)), status) << code;
  }
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
  EXPECT_OK(FromGrpcStatus(grpc::Status::OK));
}

TEST(GrpcStatusTest, CodesKeepTheirNames) {
  const grpc::Status grpc_status =
      ToGrpcStatus(absl::ResourceExhaustedError("queue full"));
  EXPECT_EQ(grpc_status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(grpc_status.error_message(), "queue full");
  EXPECT_THAT(
      FromGrpcStatus(grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone")),
      StatusIs(absl::StatusCode::kUnavailable, "gone"));
}

TEST(GrpcStatusTest, AServerThatIsNotThereIsSaidInOneClause) {
  EXPECT_THAT(
      FromGrpcStatus(grpc::Status(
          grpc::StatusCode::UNAVAILABLE,
          "failed to connect to all addresses; last error: UNKNOWN: "
          "ipv4:127.0.0.1:1: Failed to connect to remote host: Connection "
          "refused")),
      StatusIs(absl::StatusCode::kUnavailable,
               "cannot connect: Connection refused"));
}

}  // namespace
}  // namespace rlhf
