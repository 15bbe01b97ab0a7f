// How the refresher trained a PM version, as the version's card keeps it: what
// it learned from is decided by this, whatever the configuration says later.
#pragma once

#include <cstdint>
#include <optional>

#include "core/base/json.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

struct PmTraining {
  // As it was resolved then.
  v1::PreferenceConfig preference;
  // The version whose models it grew from (WARM_START); 0: it began from the
  // initial model.
  int64_t started_from = 0;
};

// The card's entry "training".
Json ToJson(const PmTraining& training);

// What the card says; nullopt if it does not, or in a form that this binary
// does not know: another version of it published the PM.
std::optional<PmTraining> TrainingOf(const Json& card);

}  // namespace rlhf
