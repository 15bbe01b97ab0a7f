#include "feedback/access/secrets.h"

#include <sodium.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/hash.h"

namespace rlhf {
namespace {

constexpr size_t kSecretBytes = 32;
constexpr size_t kMinPasswordBytes = 10;
constexpr size_t kMaxPasswordBytes = 256;

// The library may be used only after this, from any thread.
void InitSodium() {
  static const bool ready = sodium_init() >= 0;
  RLHF_CHECK(ready);
}

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

std::string HashOfNoPassword() {
  const auto hash = HashPassword(RandomSecret());
  return hash.ok() ? *hash : std::string();
}

}  // namespace

std::string RandomSecret() {
  InitSodium();
  std::string bytes(kSecretBytes, '\0');
  randombytes_buf(bytes.data(), bytes.size());
  return absl::BytesToHexString(bytes);
}

std::string SecretHash(absl::string_view secret) { return Sha256Hex(secret); }

bool EqualSecrets(absl::string_view a, absl::string_view b) {
  InitSodium();
  return a.size() == b.size() &&
         sodium_memcmp(a.data(), b.data(), a.size()) == 0;
}

absl::Status CheckPassword(absl::string_view password) {
  if (password.size() < kMinPasswordBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the password has ", password.size(),
                     " characters; take at least ", kMinPasswordBytes));
  }
  if (password.size() > kMaxPasswordBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the password has ", password.size(), " bytes; at most ",
                     kMaxPasswordBytes, " are taken"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HashPassword(absl::string_view password) {
  InitSodium();
  char hash[crypto_pwhash_STRBYTES];
  if (crypto_pwhash_str(hash, password.data(), password.size(),
                        crypto_pwhash_OPSLIMIT_INTERACTIVE,
                        crypto_pwhash_MEMLIMIT_INTERACTIVE) != 0) {
    return absl::ResourceExhaustedError(
        "there is no memory to hash a password: it takes 64 MiB");
  }
  return std::string(hash);
}

bool VerifyPassword(const std::string& hash, absl::string_view password) {
  InitSodium();
  // Time must not tell whether there is an account.
  static const std::string nobodys = HashOfNoPassword();
  const std::string& compared = hash.empty() ? nobodys : hash;
  return crypto_pwhash_str_verify(compared.c_str(), password.data(),
                                  password.size()) == 0 &&
         !hash.empty();
}

std::string HmacSha256(absl::string_view key, absl::string_view data) {
  InitSodium();
  crypto_auth_hmacsha256_state state;
  crypto_auth_hmacsha256_init(&state, Bytes(key), key.size());
  crypto_auth_hmacsha256_update(&state, Bytes(data), data.size());
  std::string code(crypto_auth_hmacsha256_BYTES, '\0');
  crypto_auth_hmacsha256_final(&state,
                               reinterpret_cast<unsigned char*>(code.data()));
  return code;
}

std::string HmacSha256Hex(absl::string_view key, absl::string_view data) {
  return absl::BytesToHexString(HmacSha256(key, data));
}

}  // namespace rlhf
