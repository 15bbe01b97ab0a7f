// What ends a response beside the end-of-sequence token and the token limit.
// Pure functions of what was sampled so far.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace rlhf {

struct StopConditions {
  // The response ends where the first of these is complete in its text, however
  // the tokens cut it. Of two that end with the same character the longer one
  // counts. The text is cut before it; the token ids and log-probabilities keep
  // every token that was drawn, the one that completed it and whatever else
  // that token says included. At most 16 of 1 to 256 bytes.
  std::vector<std::string> strings;
  // The response ends with REPETITION once its last copies * n tokens are one
  // block of n tokens, `repetition_copies` times in a row, for any n from 1 to
  // `repetition_block` (0: never; at most 256). Nothing is cut away.
  int repetition_block = 0;
  // 2 to 1,000.
  int repetition_copies = 8;
};

// Errors: InvalidArgument, with what was found and wanted.
absl::Status ValidateStops(const StopConditions& stops);

// Where the stop string begins that ends `text`, if any: of all occurrences
// that end after the first `checked` bytes the one that ends first, then the
// longest. Bytes before `checked` held no whole one.
std::optional<size_t> FindStop(absl::string_view text, size_t checked,
                               const std::vector<std::string>& strings);

// How much of `text`, which goes on and holds no whole stop string, will stand
// in the final text as it is: neither what may be the beginning of a stop
// string nor what may be the beginning of a character is counted.
size_t SettledLength(absl::string_view text,
                     const std::vector<std::string>& strings);

// Whether `token_ids` end with `copies` copies of one block of 1 to `max_block`
// tokens.
bool EndsInRepetition(absl::Span<const int32_t> token_ids, int max_block,
                      int copies);

}  // namespace rlhf
