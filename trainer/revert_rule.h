// When an order takes itself back: "kl_k1_nats_per_token > 0.5".
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "rlhf/v1/report.pb.h"

namespace google::protobuf {
class FieldDescriptor;
}

namespace rlhf {

class RevertRule {
 public:
  // "METRIC > LIMIT" or "METRIC < LIMIT"; METRIC is a number of UpdateReport.
  // Errors: InvalidArgument, with the nearest name if there is no such metric.
  static absl::StatusOr<RevertRule> Parse(const std::string& text);

  // Why to take the order back after this update; empty: all is well. A number
  // that is none ("nan") is beyond every limit. An update whose batch was left
  // out tells nothing.
  std::string Judge(const v1::UpdateReport& report) const;

 private:
  RevertRule(const google::protobuf::FieldDescriptor* metric, bool above,
             double limit)
      : metric_(metric), above_(above), limit_(limit) {}

  const google::protobuf::FieldDescriptor* metric_;
  bool above_;
  double limit_;
};

}  // namespace rlhf
