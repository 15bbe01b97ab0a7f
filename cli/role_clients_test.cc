#include "cli/role_clients.h"

#include "absl/strings/str_cat.h"
#include "core/rpc/grpc_server.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

// A log of two comparisons of ada's and one that was retracted.
class FakeFeedback final : public v1::Feedback::Service {
  grpc::Status ReadComparisons(
      grpc::ServerContext*, const v1::ReadComparisonsRequest*,
      grpc::ServerWriter<v1::Comparison>* writer) override {
    v1::Comparison comparison;
    comparison.set_worker_id("ada");
    comparison.set_choice(v1::A_BETTER);
    writer->Write(comparison);
    writer->Write(comparison);
    comparison.clear_worker_id();
    comparison.set_choice(v1::RETRACTED);
    writer->Write(comparison);
    return grpc::Status::OK;
  }
};

TEST(RoleClientsTest, ARetractedComparisonIsOfNoWorker) {
  FakeFeedback feedback;
  ASSERT_OK_AND_ASSIGN(const auto server,
                       GrpcServer::Start("127.0.0.1:0", {&feedback}));
  v1::RunConfig config;
  const std::string address = absl::StrCat("127.0.0.1:", server->port());
  for (std::string* const each :
       {config.mutable_learner()->mutable_address(),
        config.mutable_actor()->mutable_address(),
        config.mutable_reward_server()->mutable_address(),
        config.mutable_preference()->mutable_address(),
        config.mutable_feedback()->mutable_address()}) {
    *each = address;
  }
  const RoleClients roles(config, {}, absl::Seconds(10));
  ASSERT_OK_AND_ASSIGN(const auto workers, roles.CountByWorker(3));
  ASSERT_EQ(workers.size(), 1u);
  EXPECT_EQ(workers[0].worker_id(), "ada");
  EXPECT_EQ(workers[0].num_comparisons(), 2);
}

}  // namespace
}  // namespace rlhf
