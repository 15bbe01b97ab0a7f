// slow_rewards ADDRESS REWARD_SERVER SECONDS: serves the rewards of another
// process at ADDRESS, each answer SECONDS later, as a large PM would.
#include <iostream>
#include <memory>

#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "core/base/shutdown.h"
#include "core/rpc/channel.h"
#include "core/rpc/grpc_server.h"
#include "rlhf/v1/reward.grpc.pb.h"

namespace rlhf {
namespace {

class SlowRewards final : public v1::Reward::Service,
                          public v1::RewardAdmin::Service {
 public:
  SlowRewards(const std::string& reward_server, absl::Duration delay)
      : rewards_(v1::Reward::NewStub(MakeChannel(reward_server))),
        admin_(v1::RewardAdmin::NewStub(MakeChannel(reward_server))),
        delay_(delay) {}

  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse* response) override {
    absl::SleepFor(delay_);
    const auto context = ContextWithDeadline(absl::Seconds(20));
    return rewards_->Score(context.get(), *request, response);
  }

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetRewardStatusRequest* request,
                         v1::RewardStatus* response) override {
    const auto context = ContextWithDeadline(absl::Seconds(2));
    return admin_->GetStatus(context.get(), *request, response);
  }

 private:
  const std::unique_ptr<v1::Reward::Stub> rewards_;
  const std::unique_ptr<v1::RewardAdmin::Stub> admin_;
  const absl::Duration delay_;
};

}  // namespace
}  // namespace rlhf

int main(int argc, char** argv) {
  double seconds = 0;
  if (argc != 4 || !absl::SimpleAtod(argv[3], &seconds)) {
    std::cerr << "usage: slow_rewards ADDRESS REWARD_SERVER SECONDS\n";
    return 2;
  }
  rlhf::InstallShutdownHandler();
  rlhf::SlowRewards service(argv[2], absl::Seconds(seconds));
  const auto server = rlhf::GrpcServer::Start(
      argv[1], {static_cast<rlhf::v1::Reward::Service*>(&service),
                static_cast<rlhf::v1::RewardAdmin::Service*>(&service)});
  if (!server.ok()) {
    std::cerr << "slow_rewards: " << server.status().message() << "\n";
    return 1;
  }
  (*server)->SetServing(true);
  while (!rlhf::WaitForShutdown(absl::Seconds(3600))) {
  }
  return 0;
}
