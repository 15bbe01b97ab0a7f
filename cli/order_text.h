// Orders to a learner in words.
#pragma once

#include <string>

#include "rlhf/v1/orders.pb.h"

namespace rlhf {

// "ppo.kl_coefficient 0.001 -> 0.02, from update 8 on"; "pause after update 3".
std::string EffectText(const v1::OrderRecord& record);

}  // namespace rlhf
