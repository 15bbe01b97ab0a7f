// The actors of a RolloutSimulation, and the network between.

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "tests/simulator/rollout_simulation.h"

namespace rlhf {

// Versions never go back, also when the learner restarts behind the actor.
void RolloutSimulation::Fetch(Actor& actor) {
  actor.policy_version = std::max(actor.policy_version, PublishedVersion());
}

void RolloutSimulation::Restart(Actor& actor) {
  actor.policy_version = PublishedVersion();
  actor.rate = Real(0.5, 2);
  Ask(actor);
}

void RolloutSimulation::Ask(Actor& actor) {
  // A new policy may not have arrived yet.
  if (Int(0, 3) > 0) Fetch(actor);
  After(Delay(), [this, &actor, life = actor.life] {
    std::vector<v1::PromptLease> leases = Lease(actor);
    const bool lost = !leases.empty() && Fault("lease reply lost");
    if (lost) leases.clear();
    After(lost ? 1 : Delay(), [this, &actor, life, leases = std::move(leases)] {
      if (life == actor.life) Work(actor, leases);
    });
  });
}

void RolloutSimulation::Work(Actor& actor,
                             const std::vector<v1::PromptLease>& leases) {
  actor.unacknowledged = leases.size();
  double delay = 0;
  for (const v1::PromptLease& lease : leases) {
    delay += Real(0.1, 2) + (Fault("slow actor") ? 12 : 0);
    // It sends until the lease has ended, by its own clock.
    const double give_up =
        now() + static_cast<double>(lease.lease_ms()) / 1000 / actor.rate;
    After(delay, [this, &actor, life = actor.life, give_up,
                  sample = MakeSample(lease, actor.policy_version)] {
      Send(actor, life, sample, give_up);
    });
  }
  if (!leases.empty()) return;
  Fetch(actor);
  After(0.5, [this, &actor, life = actor.life] {
    if (life == actor.life) Ask(actor);
  });
}

RolloutSimulation::Sample RolloutSimulation::MakeSample(
    const v1::PromptLease& lease, int64_t policy_version) {
  const auto sample = std::make_shared<v1::Rollout>();
  sample->set_rollout_id(lease.rollout_id());
  sample->set_attempt(lease.attempt());
  *sample->mutable_prompt() = lease.prompt();
  sample->add_prompt_ids(1);
  sample->add_response_ids(static_cast<int32_t>(Int(0, 9)));
  sample->add_behaviour_logprobs(-1);
  sample->set_policy_version(policy_version);
  sample->set_finish_reason(v1::FINISH_REASON_STOP);
  sample->set_reward(static_cast<float>(Real(-1, 1)));
  sample->mutable_pm()->set_version(lease.pm_version());
  sample->mutable_pm()->set_digest(absl::StrCat("digest", lease.pm_version()));
  SetSampleNumber(num_samples_++, *sample);
  return sample;
}

void RolloutSimulation::Send(Actor& actor, int life, const Sample& sample,
                             double give_up) {
  if (life != actor.life) return;
  if (Fault("message repeated")) {
    After(Real(0.001, 30), [this, sample] { (void)Submit(*sample); });
  }
  After(Delay(), [this, &actor, life, sample, give_up] {
    Sent(actor, life, sample, give_up);
  });
  if (Fault("actor crashes")) {
    ++actor.life;
    After(Real(0.1, 3), [this, &actor] { Restart(actor); });
  }
}

void RolloutSimulation::Sent(Actor& actor, int life, const Sample& sample,
                             double give_up) {
  const std::optional<v1::RolloutAck> ack = Submit(*sample);
  const bool is_answered = ack.has_value() && !Fault("acknowledgement lost");
  const bool is_final =
      is_answered && !(ack->status() == v1::RolloutAck::REFUSED &&
                       flaw_ == "sends what was refused again");
  if (is_final) {
    After(Delay(), [this, &actor, life] { Finished(actor, life); });
  } else if (is_answered) {
    After(1, [this, &actor, life, sample] {
      Send(actor, life, sample, std::numeric_limits<double>::infinity());
    });
  } else if (now() < give_up) {
    After(1, [this, &actor, life, sample, give_up] {
      Send(actor, life, sample, give_up);
    });
  } else {
    Count("given up");
    Finished(actor, life);
  }
}

void RolloutSimulation::Finished(Actor& actor, int life) {
  if (life == actor.life && --actor.unacknowledged == 0) Ask(actor);
}

// A rollout that is good but for one thing is never accepted.
void RolloutSimulation::Forge() {
  After(Real(1, 5), [this] { Forge(); });
  if (broker_ == nullptr || !journals_.contains(update_)) return;
  const int64_t slot = Int(0, size_.rollouts_per_update - 1);
  const int64_t first = (update_ - 1) * size_.rollouts_per_update;
  v1::PromptLease lease;
  lease.set_rollout_id(RolloutId(update_, slot));
  lease.set_attempt(99);
  *lease.mutable_prompt() = *schedule_.At(first + slot).prompt;
  lease.set_pm_version(journals_.at(update_).pm.version());
  v1::Rollout rollout = *MakeSample(lease, update_ - 1);
  const int64_t flaw = Int(0, 5);
  if (flaw == 0) rollout.clear_reward();
  if (flaw == 1) rollout.mutable_pm()->set_digest("forged");
  if (flaw == 2) rollout.set_policy_version(update_);
  if (flaw == 3) rollout.set_policy_version(-1);
  if (flaw == 4) rollout.set_response_ids(0, 10);
  if (flaw == 5) {
    const int64_t closed = update_ + 1 + size_.max_staleness;
    rollout.set_rollout_id(RolloutId(closed, slot));
  }
  const v1::RolloutAck ack = broker_->Check(rollout);
  Count(absl::StrCat("forged, ", v1::RolloutAck::Status_Name(ack.status())));
  history_.AnsweredForgery(ack);
}

}  // namespace rlhf
