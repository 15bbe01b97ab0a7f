// Receives versions of the policy from another machine: from the learner, or
// from another actor where the learner says so; and sends them on.
#pragma once

#include <memory>
#include <stop_token>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "actor/actor_metrics.h"
#include "core/comm/weight_sender.h"
#include "core/comm/weight_version.h"
#include "rlhf/v1/weights.grpc.pb.h"

namespace rlhf {

// For one thread. Holds the buckets of the version that it last received for
// `linger`, or as long as somebody receives them from here. Does nothing where
// versions are mapped.
class WeightStream {
 public:
  // Where other actors receive from this one.
  struct Relay {
    // The address of this machine to listen at, by which the others reach it.
    // Empty, or "0.0.0.0" or "[::]" for all: they are told the one that this
    // machine speaks to the learner from. If that is a loopback address, as
    // behind a proxy, it says nothing of this machine: nothing is sent on.
    std::string host;
    // 0: any free one.
    int port = 0;
  };

  struct Options {
    // As this machine knows it.
    std::string learner_host;
    Relay relay;
    // As ReceiveOptions::stall.
    absl::Duration stall = absl::Seconds(5);
    // Longer than FeedTree::Options::silence, so that nobody is sent here any
    // more when the buckets go.
    absl::Duration linger = absl::Seconds(15);
  };

  // Neither pointer is owned; both must outlive this.
  WeightStream(v1::Weights::StubInterface* learner, const Options& options,
               ActorMetrics* metrics);

  // Receives `version`, of which nothing is here, and returns it whole. If an
  // earlier call for the same manifest failed, what it had proven counts. A
  // source that fails is left for another.
  //
  // Errors: NotFound if there is a newer version; Cancelled if `stop` is
  // requested; DeadlineExceeded, with the last source's error, if it takes
  // longer than `timeout`; DataLoss if the learner itself sends damage; those
  // of FindSource.
  absl::StatusOr<std::shared_ptr<WeightVersion>> Receive(
      std::shared_ptr<WeightVersion> version, absl::Duration timeout,
      const std::stop_token& stop);

  // Frees the buckets if it is time. To be called now and then.
  void LetGo();

 private:
  void Hold(std::shared_ptr<WeightVersion> version);
  // Makes `sender_`.
  absl::Status StartSender();
  // Where to receive from.
  absl::StatusOr<std::string> FindSource(uint64_t num_bytes,
                                         const std::string& failed);
  absl::Status ReceiveFrom(const std::string& source, absl::Time deadline,
                           const std::stop_token& stop);

  v1::Weights::StubInterface* const learner_;
  const Options options_;
  ActorMetrics* const metrics_;
  const std::string name_;
  std::unique_ptr<WeightSender> sender_;  // made when first needed
  // Of the sender, as others reach it; empty: there is none.
  std::string address_;
  bool told_ = false;  // that there is none
  std::shared_ptr<WeightVersion> version_;
  absl::Time last_used_;  // when anybody last sent or received `version_`
};

}  // namespace rlhf
