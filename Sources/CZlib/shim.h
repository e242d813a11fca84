// Input that zlib only reads is declared so.
#define ZLIB_CONST

#include <zlib.h>
