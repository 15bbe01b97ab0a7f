// The Control service: where the learner stands, and orders to it.
#pragma once

#include <string>
#include <utility>

#include "core/base/mutex.h"
#include "core/rpc/grpc_status.h"
#include "rlhf/v1/control.grpc.pb.h"
#include "trainer/order_desk.h"

namespace rlhf {

// Thread-safe.
class ControlService final : public v1::Control::Service {
 public:
  // To be called before the service is served, if it is to take orders. `desk`
  // is not owned and must outlive the service.
  void TakeOrdersFor(OrderDesk* desk) { desk_ = desk; }

  // Calls `change(status)` under the lock.
  template <typename F>
  void Change(F&& change) {
    MutexLock lock(&mutex_);
    change(status_);
  }
  void SetPhase(const std::string& phase) {
    Change([&](v1::LearnerStatus& status) { status.set_phase(phase); });
  }

  grpc::Status GetStatus(grpc::ServerContext*,
                         const v1::GetLearnerStatusRequest*,
                         v1::LearnerStatus* response) override {
    MutexLock lock(&mutex_);
    *response = status_;
    return grpc::Status::OK;
  }

  grpc::Status GiveOrder(grpc::ServerContext*, const v1::SignedOrder* request,
                         v1::OrderRecord* response) override {
    if (desk_ == nullptr) return {grpc::StatusCode::UNIMPLEMENTED, "no desk"};
    absl::StatusOr<v1::OrderRecord> record = desk_->Take(*request);
    if (record.ok()) *response = *std::move(record);
    return ToGrpcStatus(record.status());
  }

 private:
  OrderDesk* desk_ = nullptr;
  Mutex mutex_;
  v1::LearnerStatus status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
