#include "trainer/preference/cholesky.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/base/check.h"

namespace rlhf {
namespace {

constexpr double kMinPivot = 1e-12;

// The first of `count` numbers, zeros for those that are missing.
Lanes Load(const double* from, size_t count) {
  Lanes lanes{};
  std::copy_n(from, std::min(count, kTile), lanes.begin());
  return lanes;
}

}  // namespace

double Dot(const double* a, const double* b, size_t size) {
  std::array<double, 8> sums{};
  size_t i = 0;
  for (; i + sums.size() <= size; i += sums.size()) {
    for (size_t k = 0; k < sums.size(); ++k) sums[k] += a[i + k] * b[i + k];
  }
  double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  for (; i < size; ++i) sum += a[i] * b[i];
  return sum;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  RLHF_CHECK(a.size() == b.size());
  return Dot(a.data(), b.data(), a.size());
}

void Add(double scale, const double* x, std::vector<double>& y) {
  for (size_t i = 0; i < y.size(); ++i) y[i] += scale * x[i];
}

void AddGram(const std::vector<double>& rows, double scale, size_t begin,
             size_t size, std::vector<double>& matrix) {
  for (size_t i = begin; i < size; i += kTile) {
    for (size_t j = begin; j <= i; j += kTile) {
      std::array<Lanes, kTile> sum{};
      for (size_t k = 0; k < rows.size(); k += size) {
        const Lanes a = Load(&rows[k + i], size - i);
        const Lanes b = Load(&rows[k + j], size - j);
        for (size_t x = 0; x < kTile; ++x) {
          for (size_t y = 0; y < kTile; ++y) sum[x][y] += a[x] * b[y];
        }
      }
      for (size_t x = 0; x < std::min(kTile, size - i); ++x) {
        for (size_t y = 0; y < std::min(kTile, size - j); ++y) {
          matrix[(i + x) * size + j + y] += scale * sum[x][y];
        }
      }
    }
  }
}

// Panel by panel: the entries of kTile columns, then what these take from the
// rest of the matrix.
bool FactorInPlace(size_t size, std::vector<double>& matrix) {
  std::vector<double> columns(kTile * size);  // the panel, transposed
  for (size_t begin = 0; begin < size; begin += kTile) {
    const size_t end = std::min(begin + kTile, size);
    for (size_t i = begin; i < size; ++i) {
      double* row = &matrix[i * size];
      for (size_t j = begin; j < std::min(i + 1, end); ++j) {
        const double* other = &matrix[j * size];
        const double rest = row[j] - Dot(row + begin, other + begin, j - begin);
        if (i == j && !(rest > kMinPivot)) return false;
        row[j] = i == j ? std::sqrt(rest) : rest / other[j];
        columns[(j - begin) * size + i] = row[j];
      }
    }
    AddGram(columns, -1, end, size, matrix);
  }
  return true;
}

Lanes SquaredNorms(const std::vector<double>& factor, std::vector<Lanes>& v) {
  Lanes norms{};
  for (size_t i = 0; i < v.size(); ++i) {
    const double* row = &factor[i * v.size()];
    Lanes rest = v[i];
    for (size_t j = 0; j < i; ++j) {
      const double entry = row[j];
      for (size_t k = 0; k < kTile; ++k) rest[k] -= entry * v[j][k];
    }
    for (size_t k = 0; k < kTile; ++k) {
      rest[k] /= row[i];
      norms[k] += rest[k] * rest[k];
    }
    v[i] = rest;
  }
  return norms;
}

}  // namespace rlhf
