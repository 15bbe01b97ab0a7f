// Elo ratings from games: who won against whom (Bai et al. 2022, B.5).
//
// The ratings E are those under which the games are likeliest,
//   log P = sum over pairs of -N_ab log(1 + e^(r_b - r_a))
//                             -N_ba log(1 + e^(r_a - r_b)),
//   r = (ln 10 / 400) E,
// where N_ab counts the wins of a over b. Only differences matter, so one
// player, the zero player, has rating 0.
//
// A difference of two ratings has a likeliest value only where chains of wins
// lead both ways, over whomever (Ford 1957). Who has lost, but never won, has
// no rating, not a very low one; such players are told by their placement.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "core/base/interval.h"

namespace rlhf {

// One comparison of two players' answers; each turn of a dialogue is one.
struct EloGame {
  std::string winner;
  std::string loser;
  // Nobody won: a tie, both bad, or skipped. The names are in any order.
  bool unsure = false;
  // So often.
  int64_t times = 1;
};

// Where the games put a player, seen from the zero player.
enum class EloPlacement {
  kRated,
  // A chain of wins leads down to the zero player and none leads back: the
  // higher a rating, the better it fits.
  kAbove,
  // The other way round.
  kBelow,
  // Games connect the two, but no chain of wins does: both won against a third
  // player, say, who won against neither.
  kUndetermined,
  // No chain of games connects the two.
  kUnconnected,
};

// "rated", "above", "below", "undetermined" or "not connected".
const char* PlacementName(EloPlacement placement);

struct PlayerElo {
  std::string player;
  EloPlacement placement = EloPlacement::kUnconnected;
  // Won or lost, against another player.
  int64_t num_games = 0;
  int64_t num_wins = 0;
  // What follows is 0 unless the player is rated, and for the zero player.
  //
  // Elo above the zero player's.
  double elo = 0;
  // Of `elo`, by the inverse of the observed information (the negative second
  // derivatives of log P) with the zero player's rating fixed.
  double standard_error = 0;
  // At 95 %: 1.96 standard errors on both sides.
  Interval interval = {.low = 0, .high = 0};
};

struct EloFit {
  // Everybody who is named, the zero player too; by name.
  std::vector<PlayerElo> players;
  // Who is unconnected, as the groups that games connect; by name.
  std::vector<std::vector<std::string>> unconnected;
  // Won or lost, against another player. Nothing else has any effect.
  int64_t num_games = 0;
  int64_t num_unsure = 0;
  // Of a player against itself, and not unsure.
  int64_t num_against_self = 0;
};

// Rates the players by Newton's method. Games with players who get no rating
// leave the ratings of the others as they are. Takes time cubic, and memory
// quadratic, in the number of players: meant for some hundreds.
//
// Errors: Internal if the method does not converge, which is not known to
// happen.
absl::StatusOr<EloFit> FitElo(absl::Span<const EloGame> games,
                              const std::string& zero_player);

}  // namespace rlhf
