// What the fields of `rlhf up` need of one another and of a run's others.
#pragma once

#include <vector>

#include "core/config/field_checks.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Adds what is wrong to `problems`. Fields themselves were checked.
void CheckUp(const v1::RunConfig& config, std::vector<FieldProblem>& problems);

}  // namespace rlhf
