// What an actor's fields need of other fields of a run.
#pragma once

#include <vector>

#include "core/config/field_checks.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

// Adds what is wrong to `problems`. Fields themselves were checked.
void CheckActor(const v1::RunConfig& config,
                std::vector<FieldProblem>& problems);

}  // namespace rlhf
