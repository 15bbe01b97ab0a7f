// Dense symmetric matrices in float64, one core, fast up to some thousands of
// rows; every result is the same to the last bit on every run.
//
// A matrix [size, size] is row-major, and of a symmetric one the lower triangle
// counts.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace rlhf {

// Loops over so many numbers, known to the compiler, become vector code; a tile
// of kTile x kTile fits into the innermost cache.
inline constexpr size_t kTile = 32;
using Lanes = std::array<double, kTile>;

double Dot(const double* a, const double* b, size_t size);
double Dot(const std::vector<double>& a, const std::vector<double>& b);

// y += scale * x, of which there are as many.
void Add(double scale, const double* x, std::vector<double>& y);

// matrix += scale * P^T P for the rows P [K, size], from row and column `begin`
// on.
void AddGram(const std::vector<double>& rows, double scale, size_t begin,
             size_t size, std::vector<double>& matrix);

// Puts the lower triangular L with L L^T = matrix into its lower triangle.
// False, and the matrix is spoilt, if a pivot is 1e-12 or less (or not a
// number): of a correlation matrix that is no more than rounding.
bool FactorInPlace(size_t size, std::vector<double>& matrix);

// |L^-1 v|² of each column of `v` [size, kTile], which it overwrites; none
// changes another's result.
Lanes SquaredNorms(const std::vector<double>& factor, std::vector<Lanes>& v);

}  // namespace rlhf
