// What a comparison may say and hold: one rule for the page's answers
// (feedback/api_messages.h) and for what comes in files.
#pragma once

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// A message or a response.
inline constexpr size_t kMaxTextBytes = 256 * 1024;
inline constexpr size_t kMaxEditedBytes = 64 * 1024;
inline constexpr int64_t kMaxCommentCharacters = 2000;
inline constexpr size_t kMaxSkipReasonBytes = 1000;
inline constexpr double kMaxWorkerSeconds = 1e6;
// Ids that we make or ask for: of comparisons, and of the page's workers.
inline constexpr size_t kMaxIdBytes = 64;
// Names that others gave: of workers, groups and sources.
inline constexpr size_t kMaxForeignNameBytes = 160;

// Of text in UTF-8.
int64_t CountCharacters(absl::string_view text);

// Checks all that a comparison says of one judgement, as the page would have
// let it be said. Whether it is true who made it and which models took part is
// not checked: whoever takes it in knows what to believe.
//
// Errors: InvalidArgument that names the field, what was found and what may be.
absl::Status CheckComparison(const v1::Comparison& comparison);

}  // namespace rlhf
