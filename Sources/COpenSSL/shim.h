// OpenSSL's libcrypto, of which the opening handshake needs SHA-1 alone (RFC 6455 §4.2.2).
//
// By its low-level functions: the one-shot SHA1() of OpenSSL 3 fetches an algorithm from a
// provider each time, which takes several microseconds a handshake and two megabytes at the first.
#pragma once
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>
