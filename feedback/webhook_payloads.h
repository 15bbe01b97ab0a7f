// What the webhooks of labelling tools say, as records that ParseComparisons
// reads.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace rlhf {

struct WebhookRecord {
  // One line of JSON in the tool's export form; nullopt if the event completes
  // no judgement (a draft, a new task, …).
  std::optional<std::string> line;
  // When it happened, as the body says; InfinitePast if it does not.
  absl::Time time = absl::InfinitePast();
};

// Argilla 2.x: {"type": "response.created" or "response.updated", "timestamp",
// "data": {"values", "status", "user": {"id"}, "record": {"id", "fields"}}}.
// Taken are submitted and discarded responses.
//
// Errors: InvalidArgument for what is no such event. So for the other.
absl::StatusOr<WebhookRecord> ReadArgillaEvent(absl::string_view body);

// Label Studio: {"action": "ANNOTATION_CREATED" or "ANNOTATION_UPDATED",
// "task": {"id", "data"}, "annotation": {…, "updated_at"}}. The webhook must
// send its payload.
absl::StatusOr<WebhookRecord> ReadLabelStudioEvent(absl::string_view body);

}  // namespace rlhf
