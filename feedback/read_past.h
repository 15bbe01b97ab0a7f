// The responses of earlier versions that a run's log holds, so that a restart
// forgets none.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "feedback/past_responses.h"
#include "feedback/preference_store.h"
#include "rlhf/v1/common.pb.h"
#include "rlhf/v1/feedback.pb.h"
#include "rlhf/v1/report.pb.h"

namespace rlhf {

// The response of the newer version, if somebody judged it here at one of the
// run's own prompts, which `prompt_ids` names. Nothing in it was written by a
// worker: a dialogue that a worker carried on is none of these prompts, and an
// edited response is not read. So it need not be forgotten with a worker, whose
// judgement it does not hold. Gold questions and imports are not of this
// policy, and what was retracted has no text left.
std::optional<PastResponse> PastResponseOf(
    const v1::Comparison& comparison, const std::set<std::string>& prompt_ids);

// Those of the whole log, which is read once, as PastResponses keeps them after
// `updates`. A comparison that is retracted later may have left one, until the
// log is read again. Errors: as PreferenceStore::ForEach.
absl::StatusOr<PastResponses> ReadPast(
    const PreferenceStore& store, absl::Span<const v1::Prompt> prompts,
    absl::Span<const v1::UpdateReport> updates);

}  // namespace rlhf
