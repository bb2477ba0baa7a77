// SPDX-License-Identifier: Apache-2.0
// NODE CERTIFICATES: a certificate authority for one cluster on one machine, for benchmarks, tests and trials: P-256
// keys in a folder of its own, which goes with it. A real cluster's authority should sit elsewhere.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "cluster/tls_gate.hpp"

namespace throng {

class node_certificates {
 public:
  node_certificates() {
    std::string pattern = (std::filesystem::temp_directory_path() / "throng-nodes-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no folder for certificates");
    folder_ = pattern;
    key_ = EVP_EC_gen("P-256");
    certificate_ = make("authority", key_, 3600);
    write("authority.pem", [&](std::FILE* f) { return PEM_write_X509(f, certificate_); });
  }
  node_certificates(const node_certificates&) = delete;
  node_certificates& operator=(const node_certificates&) = delete;
  ~node_certificates() {
    X509_free(certificate_);
    EVP_PKEY_free(key_);
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  /// Of a new node of that name, valid for so many seconds from an hour ago on.
  tls_files issue(const std::string& name, long valid_s = 2 * 3600) const {
    EVP_PKEY* key = EVP_EC_gen("P-256");
    X509* certificate = make(name, key, valid_s - 3600);
    write(name + ".pem", [&](std::FILE* f) { return PEM_write_X509(f, certificate); });
    write(name + ".key",
          [&](std::FILE* f) { return PEM_write_PrivateKey(f, key, nullptr, nullptr, 0, nullptr, nullptr); });
    X509_free(certificate);
    EVP_PKEY_free(key);
    return {path(name + ".pem"), path(name + ".key"), path("authority.pem")};
  }
  std::string path(const std::string& file) const { return folder_ / file; }

 private:
  X509* make(const std::string& name, EVP_PKEY* key, long until_s) const {
    X509* made = X509_new();
    X509_set_version(made, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(made), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(made), -3600);
    X509_gmtime_adj(X509_getm_notAfter(made), until_s);
    X509_set_pubkey(made, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(made), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    const bool is_authority = certificate_ == nullptr;
    X509_set_issuer_name(made, X509_get_subject_name(is_authority ? made : certificate_));
    X509_EXTENSION* basic =
        X509V3_EXT_conf_nid(nullptr, nullptr, NID_basic_constraints, is_authority ? "critical,CA:TRUE" : "CA:FALSE");
    X509_add_ext(made, basic, -1);
    X509_EXTENSION_free(basic);
    if (X509_sign(made, key_, EVP_sha256()) == 0) throw std::runtime_error("can't sign a certificate");
    return made;
  }
  template <class Put>
  void write(const std::string& file, Put put) const {
    std::FILE* f = std::fopen(path(file).c_str(), "wb");
    const bool was_put = f != nullptr && put(f) == 1;
    if (f != nullptr) std::fclose(f);
    if (!was_put) throw std::runtime_error("can't write " + path(file));
  }

  std::filesystem::path folder_;
  EVP_PKEY* key_ = nullptr;
  X509* certificate_ = nullptr;
  mutable long serial_ = 0;
};

}  // namespace throng
