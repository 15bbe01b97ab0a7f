// What people answered in a record that Argilla exported, whichever of
// Argilla's three shapes the record has (argilla.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/json.h"

namespace rlhf {

// All that one person answered.
struct ArgillaResponse {
  struct Value {
    std::string question;
    Json value;
  };

  // Empty if the user is not known.
  std::string user;
  // "submitted", "discarded", "draft", …; empty if the shape does not say.
  std::string status;
  // When it was last changed, milliseconds since 1970; 0: not known.
  int64_t updated_unix_ms = 0;
  std::vector<Value> values;
};

// Whether `json` has the members of one of the three shapes.
bool IsArgillaRecord(const Json& json);

// The record's responses, one for each known user; what unknown users answered
// is not brought together.
// Errors: InvalidArgument that names the member of the wrong type.
absl::StatusOr<std::vector<ArgillaResponse>> FindArgillaResponses(
    const Json& record);

// The member `key` of an object, null if it has none.
const Json& ArgillaMember(const Json& object, const std::string& key);

// An id as text; empty for null and "None", as which Argilla writes a user who
// is not known. Errors: InvalidArgument that names `what`.
absl::StatusOr<std::string> ArgillaId(const Json& id, absl::string_view what);

}  // namespace rlhf
