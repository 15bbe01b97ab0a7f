// Random secrets, what is kept of them, and passwords. All of it is
// libsodium's; see docs/decisions/0028-accounts.md.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace rlhf {

// 256 random bits as 64 hexadecimal digits.
std::string RandomSecret();

// What is stored of a random secret: it cannot be guessed, so a plain SHA-256
// hides it. Not for passwords.
std::string SecretHash(absl::string_view secret);

// Takes as long wherever two texts of one length differ.
bool EqualSecrets(absl::string_view a, absl::string_view b);

// InvalidArgument unless a password has 10 to 256 bytes.
absl::Status CheckPassword(absl::string_view password);

// Argon2id with libsodium's interactive limits: 64 MiB and about 0.1 s of a
// core, so callers bound how many run at once.
//
// Errors: ResourceExhausted if there is no memory for it.
absl::StatusOr<std::string> HashPassword(absl::string_view password);

// As slow as HashPassword, also for the empty hash, which no password has.
bool VerifyPassword(const std::string& hash, absl::string_view password);

// RFC 2104 with SHA-256: 32 bytes, or 64 hexadecimal digits.
std::string HmacSha256(absl::string_view key, absl::string_view data);
std::string HmacSha256Hex(absl::string_view key, absl::string_view data);

}  // namespace rlhf
