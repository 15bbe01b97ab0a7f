#include "core/base/signing_key.h"

#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace rlhf {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kSignatureBytes = 64;

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Bio = std::unique_ptr<BIO, decltype(&BIO_free)>;
using Context = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;

const unsigned char* Bytes(absl::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

bool IsHex(absl::string_view text, size_t num_bytes) {
  return text.size() == 2 * num_bytes &&
         std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

// Writes a new key whole: to a temporary file that only its owner may read, and
// linked into place only if no other process was faster.
absl::Status CreateKeyFile(const std::string& path) {
  EVP_PKEY* raw = nullptr;
  const std::unique_ptr<EVP_PKEY_CTX, decltype(&EVP_PKEY_CTX_free)> context(
      EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, nullptr), EVP_PKEY_CTX_free);
  RLHF_CHECK(EVP_PKEY_keygen_init(context.get()) == 1 &&
             EVP_PKEY_keygen(context.get(), &raw) == 1);
  const Key key(raw, EVP_PKEY_free);
  const std::string temporary = absl::StrCat(path, ".tmp.", ::getpid());
  const int fd =
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return ErrnoStatus(errno, "create", path);
  const absl::Cleanup remove = [&] { ::unlink(temporary.c_str()); };
  FILE* const file = ::fdopen(fd, "w");
  const bool written = PEM_write_PrivateKey(file, key.get(), nullptr, nullptr,
                                            0, nullptr, nullptr) == 1;
  if (std::fclose(file) != 0 || !written) {
    return ErrnoStatus(errno, "write", path);
  }
  RLHF_RETURN_IF_ERROR(SyncPath(temporary));
  if (::link(temporary.c_str(), path.c_str()) != 0 && errno != EEXIST) {
    return ErrnoStatus(errno, "create", path);
  }
  return SyncPath(path.substr(0, path.rfind('/')));
}

}  // namespace

absl::StatusOr<SigningKey> SigningKey::LoadOrCreate(const std::string& path) {
  if (!FileExists(path)) RLHF_RETURN_IF_ERROR(CreateKeyFile(path));
  RLHF_ASSIGN_OR_RETURN(const std::string pem, ReadFile(path));
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                BIO_free);
  const Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr),
                EVP_PKEY_free);
  std::string secret(kKeyBytes, '\0');
  std::string shown(kKeyBytes, '\0');
  size_t secret_size = kKeyBytes;
  size_t shown_size = kKeyBytes;
  if (key == nullptr || EVP_PKEY_id(key.get()) != EVP_PKEY_ED25519 ||
      EVP_PKEY_get_raw_private_key(
          key.get(), reinterpret_cast<unsigned char*>(secret.data()),
          &secret_size) != 1 ||
      EVP_PKEY_get_raw_public_key(
          key.get(), reinterpret_cast<unsigned char*>(shown.data()),
          &shown_size) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": no Ed25519 private key in PEM; put the run's key back"));
  }
  return SigningKey(std::move(secret), absl::BytesToHexString(shown));
}

std::string SigningKey::Sign(absl::string_view data) const {
  const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr,
                                             Bytes(secret_), secret_.size()),
                EVP_PKEY_free);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  std::string signature(kSignatureBytes, '\0');
  size_t size = signature.size();
  RLHF_CHECK(EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr,
                                key.get()) == 1 &&
             EVP_DigestSign(context.get(),
                            reinterpret_cast<unsigned char*>(signature.data()),
                            &size, Bytes(data), data.size()) == 1);
  return absl::BytesToHexString(signature);
}

bool VerifySignature(absl::string_view public_hex, absl::string_view data,
                     absl::string_view signature_hex) {
  if (!IsHex(public_hex, kKeyBytes) || !IsHex(signature_hex, kSignatureBytes)) {
    return false;
  }
  const std::string shown = absl::HexStringToBytes(public_hex);
  const std::string signature = absl::HexStringToBytes(signature_hex);
  const Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr,
                                            Bytes(shown), shown.size()),
                EVP_PKEY_free);
  const Context context(EVP_MD_CTX_new(), EVP_MD_CTX_free);
  return key != nullptr &&
         EVP_DigestVerifyInit(context.get(), nullptr, nullptr, nullptr,
                              key.get()) == 1 &&
         EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                          Bytes(data), data.size()) == 1;
}

}  // namespace rlhf
