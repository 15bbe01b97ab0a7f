#include "cli/policy_games.h"

#include <utility>

#include "core/base/status_macros.h"
#include "core/comparisons/choice.h"
#include "core/comparisons/elo_games.h"

namespace rlhf {
namespace {

void CountUndecided(v1::Choice choice, IgnoredComparisons& ignored) {
  ++(choice == v1::TIE        ? ignored.ties
     : choice == v1::BOTH_BAD ? ignored.both_bad
                              : ignored.skipped);
}

// What people's choices are rated by: without the texts, which are long.
v1::Comparison WithoutTexts(const v1::Comparison& comparison) {
  v1::Comparison bare;
  bare.set_policy_version_a(comparison.policy_version_a());
  bare.set_policy_version_b(comparison.policy_version_b());
  bare.set_choice(comparison.choice());
  return bare;
}

}  // namespace

void AddGame(const v1::Comparison& comparison, bool with_texts,
             PolicyGames& games) {
  switch (GameKindOf(comparison)) {
    case GameKind::kDoesNotCount:
      return;
    case GameKind::kUnknownVersion:
      ++games.ignored.unknown_version;
      return;
    case GameKind::kOneVersion:
      ++games.ignored.one_version;
      return;
    case GameKind::kUndecided:
      CountUndecided(comparison.choice(), games.ignored);
      break;
    case GameKind::kDecided:
      break;
  }
  games.versions.insert(
      {comparison.policy_version_a(), comparison.policy_version_b()});
  games.comparisons.push_back(with_texts ? comparison
                                         : WithoutTexts(comparison));
}

EloGame GameOf(const v1::Comparison& comparison, bool a_won, bool unsure) {
  EloGame game = {.winner = PolicyName(comparison.policy_version_a()),
                  .loser = PolicyName(comparison.policy_version_b()),
                  .unsure = unsure};
  if (!a_won) std::swap(game.winner, game.loser);
  return game;
}

absl::StatusOr<EloColumn> RateByPeople(const PolicyGames& games, int64_t zero) {
  std::vector<EloGame> played;
  for (const v1::Comparison& comparison : games.comparisons) {
    played.push_back(GameOf(comparison, comparison.choice() == v1::A_BETTER,
                            !IsDecided(comparison)));
  }
  EloColumn column = {.judge = "people"};
  RLHF_ASSIGN_OR_RETURN(column.fit, FitElo(played, PolicyName(zero)));
  return column;
}

}  // namespace rlhf
