// Promotes preference models in turn, under a reward server that follows.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "core/registry/model_registry.h"
#include "rlhf/v1/reward.grpc.pb.h"

namespace rlhf {

// Thread-compatible.
class PmSwapper {
 public:
  // The registry that the server at `address` follows.
  PmSwapper(const std::string& registry, const std::string& address);

  // Promotes `version` and waits until the server serves it.
  //
  // Errors: of the registry, the status call, and DeadlineExceeded.
  absl::Status SwapTo(int64_t version, absl::Duration timeout);

  // `count` times to the next published version, the first after the last.
  absl::Status SwapAround(int count, absl::Duration timeout_each);

 private:
  const ModelRegistry registry_;
  const std::unique_ptr<v1::RewardAdmin::Stub> admin_;
};

}  // namespace rlhf
