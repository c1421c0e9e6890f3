// OpenSSL's libcrypto, of which the opening handshake needs SHA-1 alone (RFC 6455 §4.2.2).
#pragma once
#include <openssl/sha.h>
