// The Control service: where the learner stands.
#pragma once

#include <string>

#include "core/base/mutex.h"
#include "rlhf/v1/control.grpc.pb.h"

namespace rlhf {

// Thread-safe.
class ControlService final : public v1::Control::Service {
 public:
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

 private:
  Mutex mutex_;
  v1::LearnerStatus status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace rlhf
