// Reads one preference of the kinds that public data sets have.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "core/text/chat_format.h"
#include "rlhf/v1/common.pb.h"

namespace rlhf {

struct PreferencePair {
  v1::Prompt prompt;
  std::string chosen;
  std::string rejected;
};

// The two sides as whole dialogues, each ending with the assistant's answer.
struct PreferenceDialogues {
  Messages chosen;
  Messages rejected;
};

// As ReadPreferencePair, for whoever does not care whether the two answer the
// same prompt.
absl::StatusOr<PreferenceDialogues> ReadPreferenceDialogues(const Json& json);

// From {"prompt", "chosen", "rejected"} (TRL), or {"chosen", "rejected"} that
// are whole dialogues. Each is a string, dialogues then in the form of HH-RLHF,
// or a list of messages {"role", "content"}.
//
// Errors:
//   InvalidArgument     a member is missing or malformed
//   FailedPrecondition  well-formed, but no preference: the two do not answer
//                       the same prompt, or are the same
absl::StatusOr<PreferencePair> ReadPreferencePair(const Json& json);

}  // namespace rlhf
