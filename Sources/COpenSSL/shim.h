// OpenSSL's libcrypto: SHA-1 for the opening handshake (RFC 6455 §4.2.2), scrypt for passwords.
//
// SHA-1 by its low-level functions: the one-shot SHA1() of OpenSSL 3 fetches an algorithm from a
// provider each time, which takes several microseconds a handshake and two megabytes at the first.
#pragma once
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
