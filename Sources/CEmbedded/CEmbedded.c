// Files that the executable carries, put in by the compiler (C23, 6.10.4).

#include "CEmbedded.h"

#pragma clang diagnostic ignored "-Wc23-extensions"

static const unsigned char openapi[] = {
#embed "../../docs/openapi.json"
};

const unsigned char *cembedded_openapi(size_t *count) {
    *count = sizeof openapi;
    return openapi;
}
