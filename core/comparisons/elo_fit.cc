#include "core/comparisons/elo_fit.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/comparisons/elo.h"

namespace rlhf {
namespace {

// A step that is shorter, in standard errors, changes nothing worth printing.
constexpr double kShortStep = 1e-10;
constexpr int kMaxSteps = 200;

using Vector = std::vector<double>;
using Matrix = std::vector<Vector>;

Matrix SquareMatrix(size_t size) { return Matrix(size, Vector(size)); }

// The lower triangle L of a = L L^T (Cholesky); nullopt unless the symmetric
// `a` is positive definite.
std::optional<Matrix> LowerFactor(const Matrix& a) {
  Matrix lower = SquareMatrix(a.size());
  for (size_t i = 0; i < a.size(); ++i) {
    for (size_t j = 0; j <= i; ++j) {
      double rest = a[i][j];
      for (size_t k = 0; k < j; ++k) rest -= lower[i][k] * lower[j][k];
      if (j < i) {
        lower[i][j] = rest / lower[j][j];
      } else if (rest > 0) {
        lower[i][i] = std::sqrt(rest);
      } else {
        return std::nullopt;
      }
    }
  }
  return lower;
}

// The x of L L^T x = b; `x` comes as b.
Vector Solve(const Matrix& lower, Vector x) {
  const size_t size = x.size();
  for (size_t i = 0; i < size; ++i) {
    for (size_t k = 0; k < i; ++k) x[i] -= lower[i][k] * x[k];
    x[i] /= lower[i][i];
  }
  for (size_t i = size; i-- > 0;) {
    for (size_t k = i + 1; k < size; ++k) x[i] -= lower[k][i] * x[k];
    x[i] /= lower[i][i];
  }
  return x;
}

// Without overflow for any finite x: log(1 + e^x).
double SoftPlus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

// Of ratings in log-odds; `wins[a][b]` counts the wins of a over b.
double LogLikelihood(const Matrix& wins, const Vector& ratings) {
  double sum = 0;
  for (size_t a = 0; a < wins.size(); ++a) {
    for (size_t b = 0; b < wins.size(); ++b) {
      if (wins[a][b] > 0) sum -= wins[a][b] * SoftPlus(ratings[b] - ratings[a]);
    }
  }
  return sum;
}

struct Slopes {
  Vector gradient;
  // Minus the second derivatives.
  Matrix information;
};

// By the ratings of all but the last player, which is fixed.
Slopes SlopesOf(const Matrix& wins, const Vector& ratings) {
  Slopes slopes = {.gradient = Vector(wins.size()),
                   .information = SquareMatrix(wins.size())};
  auto& [gradient, information] = slopes;
  for (size_t a = 0; a < wins.size(); ++a) {
    for (size_t b = 0; b < a; ++b) {
      const double a_wins = WinRateFromPm(ratings[a] - ratings[b]);
      const double b_wins = WinRateFromPm(ratings[b] - ratings[a]);
      const double slope = wins[a][b] * b_wins - wins[b][a] * a_wins;
      const double weight = (wins[a][b] + wins[b][a]) * a_wins * b_wins;
      gradient[a] += slope;
      gradient[b] -= slope;
      information[a][a] += weight;
      information[b][b] += weight;
      information[a][b] -= weight;
      information[b][a] -= weight;
    }
  }
  gradient.pop_back();
  information.pop_back();
  for (Vector& row : information) row.pop_back();
  return slopes;
}

struct Maximum {
  Vector ratings;
  // Factor of the information there.
  Matrix lower;
};

// Moves `ratings` along `step`, of `squared_length` in standard errors, as far
// as the likelihood grows by a tenth of what its slope promises. False if it
// does so nowhere.
bool Advance(const Matrix& wins, const Vector& step, double squared_length,
             Vector& ratings) {
  const double before = LogLikelihood(wins, ratings);
  const double rounding = 1e-12 * std::abs(before);
  for (double share = 1; share > 1e-9; share /= 2) {
    Vector next = ratings;
    for (size_t i = 0; i < step.size(); ++i) next[i] += share * step[i];
    if (LogLikelihood(wins, next) >=
        before + 0.1 * share * squared_length - rounding) {
      ratings = std::move(next);
      return true;
    }
  }
  return false;
}

// The likeliest ratings in log-odds, 0 for the last player; nullopt if they
// were not found. Chains of wins lead from everyone to everyone.
std::optional<Maximum> Maximize(const Matrix& wins) {
  Vector ratings(wins.size());
  for (int i = 0; i < kMaxSteps; ++i) {
    const Slopes slopes = SlopesOf(wins, ratings);
    std::optional<Matrix> lower = LowerFactor(slopes.information);
    if (!lower.has_value()) return std::nullopt;
    const Vector step = Solve(*lower, slopes.gradient);
    const double squared_length = std::inner_product(
        step.begin(), step.end(), slopes.gradient.begin(), 0.0);
    if (squared_length < kShortStep * kShortStep) {
      return Maximum{.ratings = std::move(ratings), .lower = *std::move(lower)};
    }
    if (!Advance(wins, step, squared_length, ratings)) return std::nullopt;
  }
  return std::nullopt;
}

// Whom steps from a to b, where `leads(a, b)`, reach from `start`; `start` too.
std::vector<bool> Reached(size_t num_players, size_t start,
                          const std::function<bool(size_t, size_t)>& leads) {
  std::vector<bool> reached(num_players);
  std::vector<size_t> to_visit = {start};
  reached[start] = true;
  while (!to_visit.empty()) {
    const size_t a = to_visit.back();
    to_visit.pop_back();
    for (size_t b = 0; b < num_players; ++b) {
      if (reached[b] || !leads(a, b)) continue;
      reached[b] = true;
      to_visit.push_back(b);
    }
  }
  return reached;
}

// Whom games connect with `start`.
std::vector<bool> Connected(const Matrix& wins, size_t start) {
  return Reached(wins.size(), start, [&](size_t a, size_t b) {
    return wins[a][b] > 0 || wins[b][a] > 0;
  });
}

void Place(const Matrix& wins, size_t zero, std::vector<PlayerElo>& players) {
  const auto connected = Connected(wins, zero);
  const auto above = Reached(
      wins.size(), zero, [&](size_t a, size_t b) { return wins[b][a] > 0; });
  const auto below = Reached(
      wins.size(), zero, [&](size_t a, size_t b) { return wins[a][b] > 0; });
  for (size_t i = 0; i < players.size(); ++i) {
    players[i].placement = above[i] && below[i] ? EloPlacement::kRated
                           : above[i]           ? EloPlacement::kAbove
                           : below[i]           ? EloPlacement::kBelow
                           : connected[i]       ? EloPlacement::kUndetermined
                                                : EloPlacement::kUnconnected;
  }
}

// The groups of the unconnected players.
std::vector<std::vector<std::string>> GroupsOf(
    const Matrix& wins, const std::vector<PlayerElo>& players) {
  std::vector<std::vector<std::string>> groups;
  std::vector<bool> grouped(players.size());
  for (size_t i = 0; i < players.size(); ++i) {
    if (grouped[i] || players[i].placement != EloPlacement::kUnconnected) {
      continue;
    }
    std::vector<std::string>& group = groups.emplace_back();
    const auto members = Connected(wins, i);
    for (size_t j = 0; j < players.size(); ++j) {
      if (!members[j]) continue;
      grouped[j] = true;
      group.push_back(players[j].player);
    }
  }
  return groups;
}

absl::Status Rate(const Matrix& wins, size_t zero,
                  std::vector<PlayerElo>& players) {
  std::vector<size_t> rated;
  for (size_t i = 0; i < players.size(); ++i) {
    if (i != zero && players[i].placement == EloPlacement::kRated) {
      rated.push_back(i);
    }
  }
  rated.push_back(zero);
  Matrix rated_wins = SquareMatrix(rated.size());
  for (size_t a = 0; a < rated.size(); ++a) {
    for (size_t b = 0; b < rated.size(); ++b) {
      rated_wins[a][b] = wins[rated[a]][rated[b]];
    }
  }
  const std::optional<Maximum> found = Maximize(rated_wins);
  if (!found.has_value()) {
    return absl::InternalError(
        absl::StrCat("the Elo ratings of ", rated.size(),
                     " players did not converge; this is a defect"));
  }
  for (size_t i = 0; i + 1 < rated.size(); ++i) {
    Vector unit(rated.size() - 1);
    unit[i] = 1;
    PlayerElo& player = players[rated[i]];
    player.elo = EloFromPm(found->ratings[i]);
    player.standard_error = EloFromPm(std::sqrt(Solve(found->lower, unit)[i]));
    player.interval = {
        .low = player.elo - kQuantile95 * player.standard_error,
        .high = player.elo + kQuantile95 * player.standard_error};
  }
  return absl::OkStatus();
}

// Position of every player who is named, by name.
std::map<std::string, size_t> IndexOf(absl::Span<const EloGame> games,
                                      const std::string& zero_player) {
  std::map<std::string, size_t> index = {{zero_player, 0}};
  for (const EloGame& game : games) {
    index.try_emplace(game.winner);
    index.try_emplace(game.loser);
  }
  size_t position = 0;
  for (auto& entry : index) entry.second = position++;
  return index;
}

// Counts the games in `fit` too.
Matrix CountWins(absl::Span<const EloGame> games,
                 const std::map<std::string, size_t>& index, EloFit& fit) {
  Matrix wins = SquareMatrix(index.size());
  for (const EloGame& game : games) {
    const size_t winner = index.at(game.winner), loser = index.at(game.loser);
    if (game.unsure || winner == loser) {
      (game.unsure ? fit.num_unsure : fit.num_against_self) += game.times;
      continue;
    }
    wins[winner][loser] += static_cast<double>(game.times);
    fit.num_games += game.times;
    fit.players[winner].num_wins += game.times;
    fit.players[winner].num_games += game.times;
    fit.players[loser].num_games += game.times;
  }
  return wins;
}

}  // namespace

const char* PlacementName(EloPlacement placement) {
  switch (placement) {
    case EloPlacement::kRated:
      return "rated";
    case EloPlacement::kAbove:
      return "above";
    case EloPlacement::kBelow:
      return "below";
    case EloPlacement::kUndetermined:
      return "undetermined";
    case EloPlacement::kUnconnected:
      break;
  }
  return "not connected";
}

absl::StatusOr<EloFit> FitElo(absl::Span<const EloGame> games,
                              const std::string& zero_player) {
  const std::map<std::string, size_t> index = IndexOf(games, zero_player);
  EloFit fit;
  for (const auto& entry : index)
    fit.players.push_back({.player = entry.first});
  const Matrix wins = CountWins(games, index, fit);
  const size_t zero = index.at(zero_player);
  Place(wins, zero, fit.players);
  fit.unconnected = GroupsOf(wins, fit.players);
  RLHF_RETURN_IF_ERROR(Rate(wins, zero, fit.players));
  return fit;
}

}  // namespace rlhf
