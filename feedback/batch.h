// A batch of imported comparisons as the preference store keeps it: what came,
// what the gate found, and, while it waits for a person, the comparisons.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace rlhf {

// From ACCEPTED, RELEASED and REFUSED no way leads on; from QUARANTINED a
// person decides: RELEASED or REFUSED.
enum class BatchState {
  // Its comparisons are in the log.
  kAccepted = 1,
  // It waits for a person; nothing of it is in the log.
  kQuarantined = 2,
  // It waited, and its comparisons are in the log.
  kReleased = 3,
  // Nothing of it is or comes into the log.
  kRefused = 4,
};

// "ACCEPTED" and so on.
constexpr const char* BatchStateName(BatchState state) {
  switch (state) {
    case BatchState::kAccepted:
      return "ACCEPTED";
    case BatchState::kQuarantined:
      return "QUARANTINED";
    case BatchState::kReleased:
      return "RELEASED";
    case BatchState::kRefused:
      return "REFUSED";
  }
  return "UNKNOWN";
}

struct StoredBatch {
  // Not empty.
  std::string batch_id;
  // As v1::Comparison.source: "import:FILE".
  std::string source;
  // Wall clock, milliseconds since 1970.
  int64_t received_unix_ms = 0;
  BatchState state = BatchState::kAccepted;
  // What the gate found, as JSON. Opaque to the store.
  std::string report;
  // The comparisons, in the form that the caller chose. Kept while the batch is
  // quarantined, else empty. Opaque to the store.
  std::string payload;
};

// A place in the order of batches: the newest first, and those of one time by
// id. As it is made, all batches are after it.
struct BatchCursor {
  int64_t received_unix_ms = std::numeric_limits<int64_t>::max();
  std::string batch_id;
};

}  // namespace rlhf
