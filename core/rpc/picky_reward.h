// A service for tests of what sees calls.
#pragma once

#include "rlhf/v1/reward.grpc.pb.h"

namespace rlhf {

// Refuses what names no PM.
class PickyReward final : public v1::Reward::Service {
 public:
  grpc::Status Score(grpc::ServerContext*, const v1::ScoreRequest* request,
                     v1::ScoreResponse*) override {
    if (request->pm_version() > 0) return grpc::Status::OK;
    return {grpc::StatusCode::FAILED_PRECONDITION, "no PM"};
  }
};

}  // namespace rlhf
