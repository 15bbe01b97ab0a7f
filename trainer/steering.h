// How an update is made, as it follows from the updates before it: what a swap
// of the PM brings with it (ppo.on_swap), and what the sentinel orders
// (ppo.sentinel). The same on all ranks, in a resumed run and in a replay, as
// it depends on the reports alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// How PpoTrainer makes one update.
struct UpdateRules {
  // Of the KL coefficient in this update alone.
  double kl_factor = 1;
  // Of the KL coefficient from this update on, unless it diverges.
  double raise_kl = 1;
  // The policy does not change.
  bool critic_only = false;
  // In place of ppo.learning_rate.
  std::optional<double> learning_rate;
};

struct UpdateOrders {
  UpdateRules rules;
  // Another PM than in the update before rewards it.
  bool swapped = false;
  // It is one of the first under its PM, and `rules` say so.
  bool after_swap = false;
  // Instead of training on the batch, begin again from the initial policy.
  bool restart = false;
  // What the sentinel saw; empty: nothing new.
  std::string over_optimisation;
};

// Whether the config asks for any of it.
bool IsSteered(const v1::PpoConfig& config);

class Steering {
 public:
  explicit Steering(const v1::PpoConfig& config) : config_(config) {}

  // Every update in order, those before the first call to the others too.
  void Saw(const v1::UpdateReport& report);

  // For the next update, which `pm` rewards.
  UpdateOrders For(const v1::ModelVersion& pm) const;

  // Why no update is to be made as long as `pm` serves; empty: go on.
  std::string PauseUnder(const v1::ModelVersion& pm) const;

 private:
  // The newest updates, if `pm` rewarded them; else none.
  absl::Span<const v1::UpdateReport> Under(const v1::ModelVersion& pm) const;
  std::string OverOptimisation(
      absl::Span<const v1::UpdateReport> updates) const;

  const v1::PpoConfig config_;
  // Those that the newest one's PM rewarded without a break.
  std::vector<v1::UpdateReport> newest_;
  bool had_another_pm_ = false;
};

}  // namespace rlhf
