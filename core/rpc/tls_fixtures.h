// Certificates for tests, made in memory, and processes that show them.
#pragma once

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "rlhf/v1/config.pb.h"

namespace rlhf {

struct CertificateOptions {
  std::string uri;  // empty: none
  absl::Time begin = absl::Now() - absl::Hours(1);
  absl::Time end = absl::Now() + absl::Hours(1);
  std::string usage = "serverAuth,clientAuth";
};

// Signs certificates of its own. What it makes is not freed: tests are short.
class TestAuthority {
 public:
  TestAuthority() {
    // Signers are found by their names.
    static int count = 0;
    key_ = EVP_EC_gen("P-256");
    certificate_ =
        NewCertificate({}, absl::StrCat("authority ", ++count), key_);
    Extend(certificate_, NID_basic_constraints, "critical,CA:TRUE");
    Sign(certificate_);
  }

  // For `ca`.
  std::string Pem() const { return PemOf(certificate_); }

  // A new certificate and its key, in one PEM text.
  std::string Issue(const CertificateOptions& options) const {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = NewCertificate(options, "process", key);
    Extend(certificate, NID_basic_constraints, "critical,CA:FALSE");
    Extend(certificate, NID_ext_key_usage, options.usage);
    if (!options.uri.empty()) {
      Extend(certificate, NID_subject_alt_name, "URI:" + options.uri);
    }
    Sign(certificate);
    return PemOf(certificate) + PemOf(key);
  }

 private:
  static std::string Drain(BIO* memory) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(memory, &bytes);
    return std::string(bytes, static_cast<size_t>(size));
  }
  static std::string PemOf(X509* certificate) {
    BIO* const memory = BIO_new(BIO_s_mem());
    RLHF_CHECK(PEM_write_bio_X509(memory, certificate) == 1);
    return Drain(memory);
  }
  static std::string PemOf(EVP_PKEY* key) {
    BIO* const memory = BIO_new(BIO_s_mem());
    RLHF_CHECK(PEM_write_bio_PrivateKey(memory, key, nullptr, nullptr, 0,
                                        nullptr, nullptr) == 1);
    return Drain(memory);
  }
  static void Extend(X509* certificate, int what, const std::string& text) {
    X509_EXTENSION* const extension =
        X509V3_EXT_conf_nid(nullptr, nullptr, what, text.c_str());
    RLHF_CHECK(extension != nullptr) << text;
    X509_add_ext(certificate, extension, -1);
  }

  // Unsigned. Whose `name` is that of who signed counts as signed by itself.
  static X509* NewCertificate(const CertificateOptions& options,
                              const std::string& name, EVP_PKEY* key) {
    static long serial = 1;
    X509* const certificate = X509_new();
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
    ASN1_TIME_set(X509_getm_notBefore(certificate),
                  absl::ToTimeT(options.begin));
    ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(options.end));
    X509_NAME_add_entry_by_txt(
        X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
        reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_pubkey(certificate, key);
    return certificate;
  }

  void Sign(X509* certificate) const {
    X509_set_issuer_name(certificate, X509_get_subject_name(certificate_));
    RLHF_CHECK(X509_sign(certificate, key_, EVP_sha256()) > 0);
  }

  EVP_PKEY* key_;
  X509* certificate_;
};

// The run file of a process of `run` whose files are in `folder`: ca.pem, and
// NAME.pem with both certificate and key.
inline v1::RunConfig ConfigWithTls(const std::string& run,
                                   const std::string& folder,
                                   const std::string& name = "{role}") {
  v1::RunConfig config;
  config.set_name(run);
  config.mutable_tls()->set_ca(folder + "/ca.pem");
  config.mutable_tls()->set_certificate(folder + "/" + name + ".pem");
  config.mutable_tls()->set_key(folder + "/" + name + ".pem");
  return config;
}

}  // namespace rlhf
