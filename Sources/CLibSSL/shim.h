// OpenSSL's libssl, without its sockets; separate from COpenSSL, so that programs without TLS don't
// link libssl.
#pragma once
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
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

// Settings that a server's and a client's sessions share: buffers are released when they are
// empty, one call takes one record, and a retried write may have moved.
static inline void apus_ssl_use_little_memory(SSL_CTX *context) {
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                  SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1);
}

static inline void apus_ssl_session_uses_little_memory(SSL *ssl) {
    SSL_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                          SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_set_read_ahead(ssl, 1);
}

// The settings of a server that don't depend on its configuration. Returns 1 on success.
static inline int apus_ssl_set_up_server(SSL_CTX *context, int is13Only, long certificates_max) {
    apus_ssl_use_little_memory(context);
    // Tickets carry the sessions, so the server stores none.
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_max_cert_list(context, certificates_max);
    SSL_CTX_set_options(context, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    return SSL_CTX_set_min_proto_version(context, is13Only ? TLS1_3_VERSION : TLS1_2_VERSION) &&
           SSL_CTX_set1_groups_list(context, "X25519:P-256:P-384") &&
           SSL_CTX_set_num_tickets(context, 1);
}
// Erases the keys of the key exchange. OpenSSL needs them no more after the handshake, but with TLS
// 1.3 it keeps them as long as the session: a private key, and 430 bytes of memory.
static inline void apus_ssl_erase_key_exchange(SSL *ssl) {
    EVP_PKEY *keys[2] = {NULL, NULL};
    SSL_get_tmp_key(ssl, &keys[0]);
    SSL_get_peer_tmp_key(ssl, &keys[1]);
    for (int index = 0; index < 2; index++) {
        int type = keys[index] ? EVP_PKEY_get_base_id(keys[index]) : EVP_PKEY_NONE;
        // The type remains as it is, but the contents go.
        if (type > EVP_PKEY_NONE) EVP_PKEY_set_type(keys[index], type);
        EVP_PKEY_free(keys[index]);
    }
}

static inline void apus_ssl_on_server_name(SSL_CTX *context, int (*callback)(SSL *, int *, void *),
                                           void *argument) {
    SSL_CTX_set_tlsext_servername_callback(context, callback);
    SSL_CTX_set_tlsext_servername_arg(context, argument);
}
static inline void apus_ssl_on_ticket(SSL_CTX *context,
                                      int (*callback)(SSL *, unsigned char *, unsigned char *,
                                                      EVP_CIPHER_CTX *, EVP_MAC_CTX *, int)) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, callback);
}
// Prepares to encrypt or decrypt a session ticket (RFC 5077 §4). Returns 1 on success.
static inline int apus_ssl_use_ticket_key(EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                                          unsigned char *vector, const unsigned char *cipher_key,
                                          const unsigned char *mac_key, int encrypts) {
    OSSL_PARAM settings[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)mac_key, 32),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"sha256", 0),
        OSSL_PARAM_construct_end()};
    if (!EVP_MAC_CTX_set_params(mac, settings)) return 0;
    if (encrypts) {
        return RAND_bytes(vector, 16) == 1 &&
               EVP_EncryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, vector);
    }
    return EVP_DecryptInit_ex(cipher, EVP_aes_256_cbc(), NULL, cipher_key, vector);
}
static inline void apus_bio_clear_retry(BIO *bio) { BIO_clear_retry_flags(bio); }
static inline void apus_bio_retry_read(BIO *bio) { BIO_set_retry_read(bio); }
static inline void apus_bio_retry_write(BIO *bio) { BIO_set_retry_write(bio); }

static inline int apus_error_is(unsigned long error, int reason) {
    return ERR_GET_LIB(error) == ERR_LIB_SSL && ERR_GET_REASON(error) == reason;
}

// Whether an error of reading PEM only means that the file has no more of it.
static inline int apus_error_is_end_of_pem(unsigned long error) {
    return ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE;
}

// Adds an extension such as a certificate's names. Returns 1 on success.
static inline int apus_x509_add_extension(X509 *certificate, int kind, const char *value) {
    X509V3_CTX context;
    X509V3_set_ctx_nodb(&context);
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509_EXTENSION *made = X509V3_EXT_conf_nid(NULL, &context, kind, value);
    if (!made) return 0;
    int added = X509_add_ext(certificate, made, -1);
    X509_EXTENSION_free(made);
    return added;
}
static inline EVP_PKEY *apus_make_p256_key(void) { return EVP_EC_gen("P-256"); }
static inline int apus_names_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}
static inline void apus_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }
static inline GENERAL_NAME *apus_name_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}
static inline STACK_OF(X509) *apus_chain_new(void) { return sk_X509_new_null(); }
static inline int apus_chain_push(STACK_OF(X509) *chain, X509 *one) {
    return sk_X509_push(chain, one);
}
static inline void apus_chain_free(STACK_OF(X509) *chain) { sk_X509_pop_free(chain, X509_free); }
