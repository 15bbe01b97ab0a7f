#include "feedback/elo_tally.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/elo_fit.h"
#include "core/comparisons/elo_games.h"

namespace rlhf {
namespace {

Json PlayerJson(const PlayerElo& player, int64_t version) {
  Json json = {{"version", version},
               {"games", player.num_games},
               {"wins", player.num_wins},
               {"placement", PlacementName(player.placement)}};
  if (player.placement == EloPlacement::kRated) {
    json["elo"] = player.elo;
    json["low"] = player.interval.low;
    json["high"] = player.interval.high;
  }
  return json;
}

}  // namespace

void EloTally::Add(const v1::Comparison& comparison) {
  last_seq_ = comparison.seq();
  int64_t winner = comparison.policy_version_a();
  int64_t loser = comparison.policy_version_b();
  switch (GameKindOf(comparison)) {
    case GameKind::kDoesNotCount:
      return;
    case GameKind::kUnknownVersion:
      ++num_unknown_version_;
      return;
    case GameKind::kOneVersion:
      ++num_one_version_;
      return;
    case GameKind::kUndecided:
      ++num_undecided_;
      break;
    case GameKind::kDecided:
      if (comparison.choice() == v1::B_BETTER) std::swap(winner, loser);
      ++wins_[{winner, loser}];
      break;
  }
  versions_.insert({winner, loser});
}

absl::StatusOr<Json> EloTally::ToJson() const {
  if (versions_.size() > kMaxVersions) {
    return absl::ResourceExhaustedError(
        absl::StrCat(versions_.size(), " policy versions were compared; up to ",
                     kMaxVersions, " are rated here: use `rlhf elo`"));
  }
  Json json = {{"counted_seq", last_seq_},
               {"zero", nullptr},
               {"games", 0},
               {"undecided", num_undecided_},
               {"one_version", num_one_version_},
               {"unknown_version", num_unknown_version_},
               {"players", Json::array()}};
  if (versions_.empty()) return json;
  std::vector<EloGame> games;
  for (const auto& [pair, times] : wins_) {
    games.push_back({.winner = absl::StrCat(pair.first),
                     .loser = absl::StrCat(pair.second),
                     .times = times});
  }
  const int64_t zero = *versions_.begin();
  RLHF_ASSIGN_OR_RETURN(const EloFit fit, FitElo(games, absl::StrCat(zero)));
  std::map<std::string, PlayerElo> players;
  for (const PlayerElo& player : fit.players) players[player.player] = player;
  for (const int64_t version : versions_) {
    json["players"].push_back(
        PlayerJson(players[absl::StrCat(version)], version));
  }
  json["zero"] = zero;
  json["games"] = fit.num_games;
  return json;
}

}  // namespace rlhf
