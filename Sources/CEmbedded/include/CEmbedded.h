#ifndef CEMBEDDED_H
#define CEMBEDDED_H

#include <stddef.h>

/// docs/openapi.json, to the byte. Lives as long as the process.
const unsigned char *cembedded_openapi(size_t *count);

#endif
