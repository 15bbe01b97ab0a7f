// Between the gate, which knows no messages, and what a run says of it.
#pragma once

#include "rlhf/v1/config.pb.h"
#include "rlhf/v1/report.pb.h"
#include "trainer/preference/gate.h"

namespace rlhf {

// Of the config's.
GateThresholds ThresholdsOf(const v1::GateConfig& config);

// Adds a look's verdict to what the report says already: "promoted: " and what
// all looks found, or "refused: " and what the one that refused it did.
void AddVerdict(const GateVerdict& verdict, v1::PmReport& report);

}  // namespace rlhf
