// OpenSSL's libssl, over memory BIOs; separate from COpenSSL, so that programs without TLS don't
// link libssl.
#pragma once
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

// Macros, which Swift doesn't import.
static inline int apus_ssl_set_server_name(SSL *ssl, const char *name) {
    return (int)SSL_set_tlsext_host_name(ssl, name);
}
static inline int apus_ssl_set_minimum_version(SSL_CTX *context) {
    return (int)SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
}
static inline size_t apus_bio_pending(BIO *bio) { return BIO_ctrl_pending(bio); }
