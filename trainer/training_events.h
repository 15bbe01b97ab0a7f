// What TensorBoard shows of an update: our fields under our names, and the
// same under those of TRL's PPO trainer.
#pragma once

#include "rlhf/v1/report.pb.h"
#include "rlhf/v1/tensorboard.pb.h"

namespace rlhf {

// Tags:
//   rlhf/FIELD            each number of the report, and the PM's version
//   rlhf/MEMBER/mean, rlhf/MEMBER/anchored_mean   of a PM of several members
//   objective/…, policy/…, loss/…, val/…, lr, episode, eps   as TRL has them;
//                         docs/monitoring.md says where they differ
//   samples/CHOICE        a rollout, as Markdown
// An update that was left out has only those of our fields that are not 0.
v1::tensorboard::Summary EventsOf(const v1::UpdateReport& report);

}  // namespace rlhf
