#include "core/rpc/tls_files.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "core/rpc/permissions.h"
#include "core/rpc/role_uri.h"

namespace rlhf {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(X509_STORE* store) const { X509_STORE_free(store); }
  void operator()(X509_STORE_CTX* context) const {
    X509_STORE_CTX_free(context);
  }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;
using Certificates = std::vector<Owned<X509>>;

Owned<BIO> Reader(const std::string& text) {
  return Owned<BIO>(
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// All certificates of a PEM file, in order; whatever else it holds is passed
// over.
absl::StatusOr<Certificates> ReadCertificates(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  const Owned<BIO> reader = Reader(text);
  Certificates certificates;
  // What is no password is no prompt on the terminal either.
  char no_password[] = "";
  while (X509* next =
             PEM_read_bio_X509(reader.get(), nullptr, nullptr, no_password)) {
    certificates.emplace_back(next);
  }
  ERR_clear_error();
  if (certificates.empty()) {
    return absl::InvalidArgumentError(absl::StrCat(
        path,
        " holds no certificate; wanted PEM, -----BEGIN CERTIFICATE-----"));
  }
  return certificates;
}

absl::StatusOr<Owned<EVP_PKEY>> ReadKey(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  char no_password[] = "";
  Owned<EVP_PKEY> key(PEM_read_bio_PrivateKey(Reader(text).get(), nullptr,
                                              nullptr, no_password));
  ERR_clear_error();
  if (key != nullptr) return key;
  return absl::InvalidArgumentError(absl::StrCat(
      path,
      " holds no private key that can be read without a password; wanted "
      "PEM, -----BEGIN PRIVATE KEY-----"));
}

// Whether peers that trust `authorities` take the first of `chain`.
absl::Status CheckChain(const Certificates& chain,
                        const Certificates& authorities, int purpose) {
  const Owned<X509_STORE> store(X509_STORE_new());
  for (const auto& authority : authorities) {
    X509_STORE_add_cert(store.get(), authority.get());
  }
  STACK_OF(X509)* const between = sk_X509_new_null();
  const absl::Cleanup free_stack = [&] { sk_X509_free(between); };
  for (const auto& certificate : chain)
    sk_X509_push(between, certificate.get());
  const Owned<X509_STORE_CTX> context(X509_STORE_CTX_new());
  X509_STORE_CTX_init(context.get(), store.get(), chain[0].get(), between);
  X509_STORE_CTX_set_purpose(context.get(), purpose);
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  const int error = X509_STORE_CTX_get_error(context.get());
  ERR_clear_error();
  return absl::InvalidArgumentError(
      absl::StrCat("would be refused: ", X509_verify_cert_error_string(error)));
}

std::vector<std::string> UrisOf(X509* certificate) {
  auto* const names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const absl::Cleanup free_names = [&] { GENERAL_NAMES_free(names); };
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_IA5STRING* const uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  return uris;
}

absl::Status CheckName(X509* certificate, const std::string& run,
                       const std::string& role) {
  const std::vector<std::string> uris = UrisOf(certificate);
  const auto named = RoleOf({uris.begin(), uris.end()}, run);
  if (!named.ok()) return absl::InvalidArgumentError(named.status().message());
  if (*named == role || role == kOperatorRole) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "is for ", RoleUri(run, *named), "; wanted ", RoleUri(run, role)));
}

absl::Status CheckCertificate(const Certificates& chain,
                              const Certificates& authorities,
                              const std::string& run, const std::string& role) {
  RLHF_RETURN_IF_ERROR(CheckName(chain[0].get(), run, role));
  RLHF_RETURN_IF_ERROR(CheckChain(chain, authorities, X509_PURPOSE_SSL_CLIENT));
  return CheckChain(chain, authorities, X509_PURPOSE_SSL_SERVER);
}

}  // namespace

absl::Status CheckTlsFiles(const v1::TlsConfig& files, const std::string& run,
                           const std::string& role) {
  const auto authorities = ReadCertificates(files.ca());
  RLHF_RETURN_IF_ERROR(WithContext(authorities.status(), "tls.ca"));
  const auto chain = ReadCertificates(files.certificate());
  RLHF_RETURN_IF_ERROR(WithContext(chain.status(), "tls.certificate"));
  const auto key = ReadKey(files.key());
  RLHF_RETURN_IF_ERROR(WithContext(key.status(), "tls.key"));
  if (X509_check_private_key((*chain)[0].get(), key->get()) != 1) {
    ERR_clear_error();
    return absl::InvalidArgumentError(absl::StrCat(
        "tls.key: ", files.key(), " is not the key of ", files.certificate()));
  }
  return WithContext(CheckCertificate(*chain, *authorities, run, role),
                     absl::StrCat("tls.certificate: ", files.certificate(),
                                  " (tls.ca: ", files.ca(), ")"));
}

absl::StatusOr<absl::Time> CertificateEnd(const std::string& path) {
  RLHF_ASSIGN_OR_RETURN(const Certificates chain, ReadCertificates(path));
  std::tm end = {};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(chain[0].get()), &end) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": the certificate has no time at which it ends"));
  }
  return absl::FromTM(end, absl::UTCTimeZone());
}

}  // namespace rlhf
