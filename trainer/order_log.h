// The orders of a run, from the first on, and who may give one: whoever can
// read the run's key.
//
//   runs/NAME/control.jsonl        one OrderRecord a line (core/registry/
//                                  signed_log.h)
//   runs/NAME/registry/pm/key.pem  the run's key
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/registry/signed_log.h"
#include "rlhf/v1/orders.pb.h"

namespace rlhf {

// The learner writes, others read.
class OrderLog {
 public:
  explicit OrderLog(const std::string& run_directory);

  // Every order that was taken, oldest first, proven.
  // Errors: as SignedLog::ReadAll.
  absl::StatusOr<std::vector<v1::OrderRecord>> ReadAll() const;

  // Durable when it returns OK. Errors: as SignedLog::Append.
  absl::Status Append(const v1::OrderRecord& record) const;

  // Errors: as SigningKey::LoadOrCreate.
  absl::StatusOr<v1::SignedOrder> Sign(const v1::Order& order) const;

  // The order, if it is signed with the run's key. Errors: PermissionDenied if
  // it is not; InvalidArgument for what is no order; those of reading the key.
  absl::StatusOr<v1::Order> Open(const v1::SignedOrder& order) const;

 private:
  const std::string registry_;
  const std::string key_path_;
  const SignedLog log_;
};

// The path of the log.
std::string OrderLogPath(const std::string& run_directory);

// Whether a line of the log is an order to stop.
bool IsStopOrder(const std::string& line);

}  // namespace rlhf
