#include "trainer/checkpoint/async_saver.h"

#include <utility>

#include "core/base/clock.h"
#include "core/base/status_macros.h"

namespace rlhf {

AsyncSaver::AsyncSaver(CheckpointStore store,
                       std::function<void(const absl::Status&)> on_done)
    : store_(std::move(store)), on_done_(std::move(on_done)) {}

AsyncSaver::~AsyncSaver() {
  // on_done_ has told of an error.
  Wait().IgnoreError();
}

absl::Status AsyncSaver::Start(
    int64_t step, std::function<absl::Status(const std::string&)> fill,
    std::optional<double> metric) {
  RLHF_RETURN_IF_ERROR(Wait());
  thread_ = std::thread([this, step, fill = std::move(fill), metric] {
    const Stopwatch stopwatch;
    status_ = store_.Save(step, fill, metric);
    seconds_ = stopwatch.seconds();
    on_done_(status_);
  });
  return absl::OkStatus();
}

absl::Status AsyncSaver::Wait() {
  if (!thread_.joinable()) return absl::OkStatus();
  thread_.join();
  last_seconds_ = seconds_;
  return std::exchange(status_, absl::OkStatus());
}

}  // namespace rlhf
