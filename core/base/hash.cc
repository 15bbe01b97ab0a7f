#include "core/base/hash.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/escaping.h"
#include "core/base/check.h"
#include "core/base/file.h"

namespace rlhf {
namespace {

class Sha256 {
 public:
  Sha256() : context_(EVP_MD_CTX_new(), EVP_MD_CTX_free) {
    RLHF_CHECK(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) == 1);
  }
  void Update(absl::string_view data) {
    RLHF_CHECK(EVP_DigestUpdate(context_.get(), data.data(), data.size()) == 1);
  }
  std::string Hex() {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    RLHF_CHECK(EVP_DigestFinal_ex(context_.get(), digest, &size) == 1);
    return absl::BytesToHexString(
        absl::string_view(reinterpret_cast<const char*>(digest), size));
  }

 private:
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_;
};

}  // namespace

std::string Sha256Hex(absl::string_view data) {
  Sha256 hash;
  hash.Update(data);
  return hash.Hex();
}

absl::StatusOr<std::string> Sha256HexOfFile(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(
      std::fopen(path.c_str(), "rb"), std::fclose);
  if (file == nullptr) return ErrnoStatus(errno, "open", path);
  Sha256 hash;
  std::string buffer(1 << 20, '\0');
  while (true) {
    const size_t got = std::fread(buffer.data(), 1, buffer.size(), file.get());
    if (got == 0) break;
    hash.Update(absl::string_view(buffer.data(), got));
  }
  if (std::ferror(file.get()) != 0) return ErrnoStatus(errno, "read", path);
  return hash.Hex();
}

uint64_t Xxh3(absl::string_view data) {
  return XXH3_64bits(data.data(), data.size());
}

struct Xxh3Stream::State {
  std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> xxh3{
      XXH3_createState(), XXH3_freeState};
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) {
  RLHF_CHECK(XXH3_64bits_reset(state_->xxh3.get()) == XXH_OK);
}

Xxh3Stream::~Xxh3Stream() = default;

void Xxh3Stream::Update(absl::string_view data) {
  RLHF_CHECK(XXH3_64bits_update(state_->xxh3.get(), data.data(), data.size()) ==
             XXH_OK);
}

uint64_t Xxh3Stream::Digest() const {
  return XXH3_64bits_digest(state_->xxh3.get());
}

uint64_t MixHash(uint64_t a, uint64_t b) {
  uint64_t x =
      a * 0x9E3779B97F4A7C15u + b * 0xD1342543DE82EF95u + 0x632BE59BD9B4E019u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace rlhf
