// The rollouts that a run shows to people beside its numbers.
#pragma once

#include <cstdint>
#include <string>

#include "trainer/batch.h"

namespace rlhf {

// The dialogue before an answer, a turn a line: "user: …".
std::string DialogueText(const v1::Prompt& prompt);

// Whether `update` shows some: the first, and every tenth after it.
bool ShowsTextSamples(int64_t update);

// Adds the batch's first rollout and those of its best and worst reward (of
// equals the first) to `report`, each text cut at 2000 bytes. Nothing from an
// update that shows none. Depends on the batch alone.
void AddTextSamples(const Batch& batch, v1::UpdateReport& report);

}  // namespace rlhf
