// Which judgement of a labelling tool a comparison is, so that a corrected one
// can take the place of the one before.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "core/base/json.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Where a judgement was made.
struct JudgementPlace {
  // "argilla", "label-studio".
  absl::string_view tool;
  // The record's id; unique only within one dataset of the tool.
  absl::string_view record;
  // The annotator's id.
  absl::string_view person;
};

// Sets judgement_key: 32 hexadecimal digits of a hash of the place and of what
// is compared, prompt and both responses, whichever is A. The answer is not in
// it. Records of two datasets that have one id are told apart by what is
// compared, so that none replaces the other; a record whose texts were changed
// is another. Without a record or a person nothing is set.
void SetJudgementKey(const JudgementPlace& place, v1::Comparison& comparison);

// Milliseconds since 1970 of the RFC 3339 time that `object` has as `key`; 0 if
// there is none, or none that says its zone: then nobody knows when it was.
int64_t JudgedUnixMs(const Json& object, const char* key);

}  // namespace rlhf
