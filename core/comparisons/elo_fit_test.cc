#include "core/comparisons/elo_fit.h"

#include <cmath>
#include <map>
#include <numbers>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/status_matchers.h"

namespace rlhf {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr double kEloPerLogOdds = 400 / std::numbers::ln10;

using Games = std::vector<EloGame>;
using Players = std::map<std::string, PlayerElo>;

// `a` won `a_wins` times against `b`, and lost `b_wins` times.
void Add(Games& games, const std::string& a, const std::string& b, int a_wins,
         int b_wins) {
  games.insert(games.end(), a_wins, {.winner = a, .loser = b});
  games.insert(games.end(), b_wins, {.winner = b, .loser = a});
}

Players ByName(const EloFit& fit) {
  Players players;
  for (const PlayerElo& player : fit.players) players[player.player] = player;
  return players;
}

Players Rate(const Games& games, const std::string& zero) {
  const auto fit = FitElo(games, zero);
  EXPECT_OK(fit);
  return fit.ok() ? ByName(*fit) : Players();
}

// `num_games` of each pair, drawn from the Elo ratings `planted`.
Games Simulate(const std::map<std::string, double>& planted, int num_games,
               std::mt19937_64& random) {
  std::uniform_real_distribution<double> uniform;
  Games games;
  for (auto a = planted.begin(); a != planted.end(); ++a) {
    for (auto b = planted.begin(); b != a; ++b) {
      const double a_wins =
          1 / (1 + std::pow(10, (b->second - a->second) / 400));
      for (int i = 0; i < num_games; ++i) {
        const bool won = uniform(random) < a_wins;
        Add(games, a->first, b->first, won ? 1 : 0, won ? 0 : 1);
      }
    }
  }
  return games;
}

// The log-odds of one pair's wins, and the variance of log-odds.
TEST(FitEloTest, TwoPlayersHaveAClosedForm) {
  Games games;
  Add(games, "new", "old", 57, 43);
  const PlayerElo found = Rate(games, "old")["new"];
  EXPECT_EQ(found.placement, EloPlacement::kRated);
  EXPECT_EQ(found.num_games, 100);
  EXPECT_EQ(found.num_wins, 57);
  const double elo = kEloPerLogOdds * std::log(57.0 / 43);
  const double standard_error = kEloPerLogOdds * std::sqrt(1.0 / 57 + 1.0 / 43);
  EXPECT_NEAR(found.elo, elo, 1e-7);
  EXPECT_NEAR(found.standard_error, standard_error, 1e-7);
  EXPECT_NEAR(found.interval.low, elo - 1.959964 * standard_error, 1e-3);
  EXPECT_NEAR(found.interval.high, elo + 1.959964 * standard_error, 1e-3);
}

TEST(FitEloTest, TheZeroPlayerIsZeroWithoutError) {
  Games games;
  Add(games, "new", "old", 57, 43);
  const PlayerElo zero = Rate(games, "old")["old"];
  EXPECT_EQ(zero.placement, EloPlacement::kRated);
  EXPECT_EQ(zero.num_games, 100);
  EXPECT_EQ(zero.num_wins, 43);
  EXPECT_EQ(zero.elo, 0);
  EXPECT_EQ(zero.standard_error, 0);
  EXPECT_EQ(zero.interval.low, 0);
  EXPECT_EQ(zero.interval.high, 0);
}

// On a chain no pair says anything about another.
TEST(FitEloTest, OnAChainDifferencesAndVariancesAddUp) {
  Games games;
  Add(games, "b", "a", 30, 10);
  Add(games, "c", "b", 25, 10);
  Players found = Rate(games, "a");
  EXPECT_NEAR(found["b"].elo, kEloPerLogOdds * std::log(3), 1e-7);
  EXPECT_NEAR(found["c"].elo, kEloPerLogOdds * std::log(7.5), 1e-7);
  EXPECT_NEAR(
      found["c"].standard_error,
      kEloPerLogOdds * std::sqrt(1.0 / 30 + 1.0 / 10 + 1.0 / 25 + 1.0 / 10),
      1e-7);
}

// Three equals, 3 games a pair: each weighs 3 / 4, so that the information of
// two of them is (3/2, -3/4; -3/4, 3/2) and its inverse has 8 / 9 twice.
TEST(FitEloTest, ACycleOfEqualsHasTheErrorOfItsMatrix) {
  Games games;
  Add(games, "a", "b", 2, 1);
  Add(games, "b", "c", 2, 1);
  Add(games, "c", "a", 2, 1);
  Players found = Rate(games, "a");
  for (const char* name : {"b", "c"}) {
    EXPECT_NEAR(found[name].elo, 0, 1e-7);
    EXPECT_NEAR(found[name].standard_error, kEloPerLogOdds * std::sqrt(8.0 / 9),
                1e-7);
  }
}

// Where the likelihood is greatest, its slope is 0: everyone has won as often
// as the ratings expect.
TEST(FitEloTest, RatingsExpectTheWinsThatWereSeen) {
  std::map<std::pair<std::string, std::string>, int> wins = {
      {{"a", "b"}, 3}, {{"b", "a"}, 41}, {{"a", "c"}, 8}, {{"c", "a"}, 5},
      {{"b", "d"}, 1}, {{"d", "b"}, 9},  {{"c", "d"}, 7}, {{"d", "a"}, 2}};
  Games games;
  for (const auto& [pair, count] : wins) {
    Add(games, pair.first, pair.second, count, 0);
  }
  const Players found = Rate(games, "c");
  for (const auto& [name, player] : found) {
    double expected = 0;
    for (const auto& [other, opponent] : found) {
      const int count = wins[{name, other}] + wins[{other, name}];
      expected += count / (1 + std::pow(10, (opponent.elo - player.elo) / 400));
    }
    EXPECT_NEAR(expected, static_cast<double>(player.num_wins), 1e-7) << name;
  }
}

TEST(FitEloTest, PlantedRatingsAreFoundWithinTwoStandardErrors) {
  const std::map<std::string, double> planted = {
      {"v0", 0}, {"v1", 40}, {"v2", 90}, {"v3", 150}, {"v4", 240}, {"v5", -60}};
  std::mt19937_64 random(1);
  Players found = Rate(Simulate(planted, 200, random), "v0");
  for (const auto& [name, elo] : planted) {
    EXPECT_NEAR(found[name].elo, elo, 2 * found[name].standard_error) << name;
    EXPECT_LT(found[name].standard_error, 25);
  }
}

// 1,200 intervals; their share has a standard error of about 0.9 %.
TEST(FitEloTest, NineteenOfTwentyIntervalsHoldThePlantedRating) {
  const std::map<std::string, double> planted = {
      {"v0", 0}, {"v1", 50}, {"v2", 120}, {"v3", -80}};
  std::mt19937_64 random(11);
  int covered = 0, total = 0;
  for (int i = 0; i < 400; ++i) {
    for (const auto& [name, player] :
         Rate(Simulate(planted, 60, random), "v0")) {
      if (name == "v0") continue;
      ++total;
      covered += player.interval.low <= planted.at(name) &&
                 planted.at(name) <= player.interval.high;
    }
  }
  EXPECT_EQ(total, 1200);
  EXPECT_NEAR(static_cast<double>(covered) / total, 0.95, 0.03);
}

TEST(FitEloTest, AnotherZeroPlayerShiftsAllRatings) {
  std::mt19937_64 random(3);
  const Games games =
      Simulate({{"a", 0}, {"b", 70}, {"c", -30}, {"d", 150}}, 50, random);
  Players from_a = Rate(games, "a"), from_b = Rate(games, "b");
  EXPECT_NEAR(from_a["b"].elo, -from_b["a"].elo, 1e-7);
  EXPECT_NEAR(from_a["b"].standard_error, from_b["a"].standard_error, 1e-7);
  for (const char* name : {"c", "d"}) {
    EXPECT_NEAR(from_a[name].elo - from_a["b"].elo, from_b[name].elo, 1e-7);
  }
}

TEST(FitEloTest, UnsureGamesAndGamesAgainstOneselfAreOnlyCounted) {
  Games games;
  Add(games, "a", "b", 6, 4);
  const double elo = Rate(games, "b")["a"].elo;
  games.insert(games.end(), 500, {"a", "b", /*unsure=*/true});
  games.insert(games.end(), 70, {"a", "a"});
  games.push_back({"c", "b", /*unsure=*/true});
  ASSERT_OK_AND_ASSIGN(const EloFit fit, FitElo(games, "b"));
  EXPECT_EQ(fit.num_games, 10);
  EXPECT_EQ(fit.num_unsure, 501);
  EXPECT_EQ(fit.num_against_self, 70);
  Players found = ByName(fit);
  EXPECT_EQ(found["a"].elo, elo);
  EXPECT_EQ(found["a"].num_games, 10);
  // A tie connects nobody.
  EXPECT_EQ(found["c"].placement, EloPlacement::kUnconnected);
  EXPECT_EQ(found["c"].num_games, 0);
}

TEST(FitEloTest, GroupsThatNeverMetTheZeroPlayerAreReportedNotRated) {
  Games games;
  Add(games, "a", "b", 6, 4);
  Add(games, "x", "y", 9, 3);
  Add(games, "y", "z", 1, 0);
  Add(games, "p", "q", 2, 2);
  ASSERT_OK_AND_ASSIGN(const EloFit fit, FitElo(games, "a"));
  EXPECT_THAT(fit.unconnected,
              ElementsAre(ElementsAre("p", "q"), ElementsAre("x", "y", "z")));
  Players found = ByName(fit);
  EXPECT_NEAR(found["b"].elo, -kEloPerLogOdds * std::log(1.5), 1e-7);
  EXPECT_EQ(found["x"].placement, EloPlacement::kUnconnected);
  EXPECT_EQ(found["x"].num_games, 12);
  EXPECT_EQ(found["x"].num_wins, 9);
  EXPECT_EQ(found["x"].elo, 0);
  EXPECT_EQ(found["x"].standard_error, 0);
}

TEST(FitEloTest, AZeroPlayerWhoNeverPlayedIsAlone) {
  Games games;
  Add(games, "a", "b", 6, 4);
  ASSERT_OK_AND_ASSIGN(const EloFit fit, FitElo(games, "nobody"));
  EXPECT_THAT(fit.unconnected, ElementsAre(ElementsAre("a", "b")));
  EXPECT_EQ(ByName(fit)["nobody"].placement, EloPlacement::kRated);

  ASSERT_OK_AND_ASSIGN(const EloFit empty, FitElo({}, "nobody"));
  EXPECT_EQ(empty.players.size(), 1);
  EXPECT_THAT(empty.unconnected, IsEmpty());
}

// "best" and "second" have beaten each other, but nobody below them has beaten
// either; "outsider" has only beaten "worst", who never won.
TEST(FitEloTest, WhoNeverLostOrNeverWonHasABoundAndNoRating) {
  Games games;
  Add(games, "a", "b", 6, 4);
  const PlayerElo before = Rate(games, "a")["b"];
  Add(games, "second", "b", 5, 0);
  Add(games, "best", "second", 2, 1);
  Add(games, "a", "worst", 3, 0);
  Add(games, "outsider", "worst", 4, 0);
  ASSERT_OK_AND_ASSIGN(const EloFit fit, FitElo(games, "a"));
  EXPECT_THAT(fit.unconnected, IsEmpty());
  Players found = ByName(fit);
  EXPECT_EQ(found["best"].placement, EloPlacement::kAbove);
  EXPECT_EQ(found["second"].placement, EloPlacement::kAbove);
  EXPECT_EQ(found["worst"].placement, EloPlacement::kBelow);
  EXPECT_EQ(found["outsider"].placement, EloPlacement::kUndetermined);
  EXPECT_EQ(found["best"].elo, 0);
  // Who is infinitely far away says nothing about those who are not.
  EXPECT_EQ(found["b"].placement, EloPlacement::kRated);
  EXPECT_EQ(found["b"].elo, before.elo);
  EXPECT_EQ(found["b"].standard_error, before.standard_error);
  EXPECT_EQ(found["b"].num_games, 15);
}

// Nobody has lost to who is next to him in one direction, but all around the
// circle wins lead back: a finite maximum.
TEST(FitEloTest, ACircleOfOneSidedPairsIsRated) {
  Games games;
  Add(games, "a", "b", 5, 0);
  Add(games, "b", "c", 5, 0);
  Add(games, "c", "a", 5, 0);
  Players found = Rate(games, "a");
  for (const char* name : {"b", "c"}) {
    EXPECT_EQ(found[name].placement, EloPlacement::kRated);
    EXPECT_NEAR(found[name].elo, 0, 1e-7);
  }
}

TEST(FitEloTest, ALongChainOfLopsidedPairsConverges) {
  Games games;
  for (int i = 0; i < 40; ++i) {
    Add(games, absl::StrCat("v", i + 1), absl::StrCat("v", i), 1000, 1);
  }
  Players found = Rate(games, "v0");
  // log10(1000) * 400 a step.
  EXPECT_NEAR(found["v40"].elo, 40 * 1200, 1e-4);
  EXPECT_NEAR(found["v40"].standard_error,
              kEloPerLogOdds * std::sqrt(40 * (1.0 / 1000 + 1)), 1e-4);
}

}  // namespace
}  // namespace rlhf
