// The low-level SHA functions are marked deprecated in OpenSSL 3 in favour of EVP. They are used on purpose:
// an EVP digest allocates and looks its provider up for every message, a SHA512_CTX is a plain value whose
// state after the key block can be computed once and copied for each message.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
