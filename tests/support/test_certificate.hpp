// SPDX-License-Identifier: Apache-2.0
// A self-signed certificate and its key (P-256, for 127.0.0.1), made when a test asks for it, in a folder of its own.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace throng::test {

class test_certificate {
 public:
  /// Valid from `from_s` to `to_s` seconds from now.
  explicit test_certificate(long from_s = -60, long to_s = 3600) {
    std::string pattern = (std::filesystem::temp_directory_path() / "throng-cert-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for a certificate");
    folder_ = pattern;
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = X509_new();
    X509_set_version(certificate, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), from_s);
    X509_gmtime_adj(X509_getm_notAfter(certificate), to_s);
    X509_set_pubkey(certificate, key);
    X509_NAME* name = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("127.0.0.1"), -1, -1,
                               0);
    X509_set_issuer_name(certificate, name);
    X509_sign(certificate, key, EVP_sha256());
    write(this->certificate(), [&](std::FILE* f) { PEM_write_X509(f, certificate); });
    write(this->key(), [&](std::FILE* f) { PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr); });
    X509_free(certificate);
    EVP_PKEY_free(key);
  }
  ~test_certificate() {
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }
  test_certificate(const test_certificate&) = delete;
  test_certificate& operator=(const test_certificate&) = delete;

  std::string certificate() const { return folder_ + "/certificate.pem"; }
  std::string key() const { return folder_ + "/key.pem"; }

 private:
  template <class F>
  static void write(const std::string& file, F body) {
    std::FILE* f = std::fopen(file.c_str(), "wb");
    if (f == nullptr) throw std::runtime_error("can't write " + file);
    body(f);
    std::fclose(f);
  }
  std::string folder_;
};

}  // namespace throng::test
