#include "cli/doctor/measure_roles.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "core/base/version.h"
#include "core/rpc/grpc_server.h"
#include "core/telemetry/listen_socket.h"
#include "gtest/gtest.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "tests/testing/free_ports.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::SizeIs;

Place Of(const std::string& address) {
  return PlaceOf(address, address, absl::Milliseconds(300));
}

TEST(PlaceOfTest, OfThisMachineAPortIsFreeOrInUse) {
  ASSERT_OK_AND_ASSIGN(const ListenSocket socket, Listen("127.0.0.1:0"));
  const std::string address = absl::StrCat("127.0.0.1:", socket.port);
  EXPECT_EQ(Of(address), Place::kInUse);
  ::close(socket.fd);
  EXPECT_EQ(Of(address), Place::kFree);
}

TEST(PlaceOfTest, ANameWithoutAddressAndAMachineThatIsNotThere) {
  EXPECT_EQ(Of("no-such-host.invalid:7101"), Place::kUnknownHost);
  // What is sent there is discarded (RFC 6666), if there is a way at all.
  EXPECT_EQ(Of("[100::1]:7101"), Place::kSilent);
}

TEST(LookAtRolesTest, AsksAServerForReadinessBuildAndClock) {
  v1::Control::Service control;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       GrpcServer::Start("127.0.0.1:0", {&control}));
  server->SetServing(true);
  const std::vector<RoleFigures> roles =
      LookAtRoles(v1::RunConfig(),
                  {{"learner", absl::StrCat("127.0.0.1:", server->port())},
                   {"actor", absl::StrCat("127.0.0.1:", FreePorts(1)[0])}});
  ASSERT_THAT(roles, SizeIs(2));
  EXPECT_EQ(roles[0].place, Place::kInUse);
  ASSERT_OK(roles[0].answer);
  EXPECT_TRUE(roles[0].answer->serving);
  EXPECT_EQ(roles[0].answer->build.value_or(Build()).version, kRlhfVersion);
  EXPECT_TRUE(roles[0].answer->clock_ahead.has_value());
  EXPECT_EQ(roles[1].place, Place::kFree);
  EXPECT_FALSE(roles[1].answer.ok());
}

}  // namespace
}  // namespace rlhf
