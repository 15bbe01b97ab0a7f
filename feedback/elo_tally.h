// Who won against whom so far, by people's choices, and the Elo of the policies
// that follows, for the requester's page. The same ratings as `rlhf elo`.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <utility>

#include "absl/status/statusor.h"
#include "core/base/json.h"
#include "rlhf/v1/feedback.pb.h"

namespace rlhf {

// Thread-compatible. Its size is that of the pairs of versions that met.
class EloTally {
 public:
  // More take too long to rate between two looks at a page.
  static constexpr size_t kMaxVersions = 200;

  // Comparisons come in the order of the log.
  void Add(const v1::Comparison& comparison);

  // Sequence number of the last comparison added; 0: none.
  int64_t last_seq() const { return last_seq_; }

  // {"counted_seq", "zero" (the lowest version that played; null: none did),
  //  "games", "undecided", "one_version", "unknown_version",
  //  "players": [{"version", "games", "wins", "placement" (PlacementName), and
  //  if that is "rated" "elo", "low", "high" (95 %), above the zero version}],
  //  ascending}. Games are decided comparisons of two known versions.
  //
  // Errors: ResourceExhausted if more than kMaxVersions played; as FitElo.
  absl::StatusOr<Json> ToJson() const;

 private:
  int64_t last_seq_ = 0;
  int64_t num_undecided_ = 0;
  int64_t num_one_version_ = 0;
  int64_t num_unknown_version_ = 0;
  std::set<int64_t> versions_;
  // {winner, loser} -> games.
  std::map<std::pair<int64_t, int64_t>, int64_t> wins_;
};

}  // namespace rlhf
