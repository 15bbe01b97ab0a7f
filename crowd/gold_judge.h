// Who tells the simulated crowd which response is better.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "crowd/gold_rule.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

struct GoldScores {
  double left = 0;
  double right = 0;
};

// Thread-safe.
class GoldJudge {
 public:
  virtual ~GoldJudge() = default;
  // Higher is better; only the two scores of one call are comparable.
  virtual absl::StatusOr<GoldScores> Judge(const v1::Prompt& prompt,
                                           const std::string& left,
                                           const std::string& right) = 0;
};

// GoldScore; the prompt does not matter.
class RuleJudge final : public GoldJudge {
 public:
  absl::StatusOr<GoldScores> Judge(const v1::Prompt&, const std::string& left,
                                   const std::string& right) override {
    return GoldScores{.left = GoldScore(left), .right = GoldScore(right)};
  }
};

}  // namespace rlhf
