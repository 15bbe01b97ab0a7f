// Ed25519 signatures (RFC 8032): who wrote a record, and that nobody changed it
// since.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// A secret key. Immutable.
class SigningKey {
 public:
  // Reads the key in `path`, PEM as OpenSSL writes it; makes it, readable by
  // its owner only, if there is none.
  //
  // Errors: as ReadFile; InvalidArgument if the file holds no Ed25519 key.
  static absl::StatusOr<SigningKey> LoadOrCreate(const std::string& path);

  // What others verify with: 64 hexadecimal digits.
  const std::string& public_hex() const { return public_hex_; }

  // 128 hexadecimal digits.
  std::string Sign(absl::string_view data) const;

 private:
  SigningKey(std::string secret, std::string public_hex)
      : secret_(std::move(secret)), public_hex_(std::move(public_hex)) {}

  std::string secret_;  // 32 bytes
  std::string public_hex_;
};

// Whether `signature_hex` is that of `data` by the owner of `public_hex`; false
// also for what is neither.
bool VerifySignature(absl::string_view public_hex, absl::string_view data,
                     absl::string_view signature_hex);

}  // namespace rlhf
