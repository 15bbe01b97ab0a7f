// Hashes: SHA-256 where a digest names or proves something, xxh3 where bytes
// are checked for accidents.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// Lower-case hexadecimal, 64 digits.
std::string Sha256Hex(absl::string_view data);

// The same over a file's contents, read in pieces. Errors: as ReadFile.
absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path);

// xxh3-64.
uint64_t Xxh3(absl::string_view data);

// The same over data that comes in pieces. Not thread-safe.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(const Xxh3Stream&) = delete;
  Xxh3Stream& operator=(const Xxh3Stream&) = delete;

  void Update(absl::string_view data);
  uint64_t Digest() const;

 private:
  struct State;
  const std::unique_ptr<State> state_;
};

// Mixes two 64-bit numbers into one (SplitMix64's finaliser over their sum with
// odd multipliers). Pure; good enough to key a random stream, not a secret.
uint64_t MixHash(uint64_t a, uint64_t b);

}  // namespace rlhf
