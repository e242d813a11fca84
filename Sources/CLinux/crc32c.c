// CRC-32C (Castagnoli, RFC 3720 appendix B.4): by the processor's instruction where it has one, by tables elsewhere.

#include "CLinux.h"

#include <string.h>

static uint32_t table[8][256];

__attribute__((constructor)) static void fill_table(void) {
    for (uint32_t byte = 0; byte < 256; byte++) {
        uint32_t crc = byte;
        for (int bit = 0; bit < 8; bit++) crc = crc & 1 ? crc >> 1 ^ 0x82F63B78u : crc >> 1;
        table[0][byte] = crc;
    }
    for (int slice = 1; slice < 8; slice++)
        for (uint32_t byte = 0; byte < 256; byte++)
            table[slice][byte] = table[slice - 1][byte] >> 8 ^ table[0][table[slice - 1][byte] & 0xFF];
}

// Eight bytes a step ("slicing-by-8", Kounavis and Berry 2005).
static uint32_t by_table(uint32_t crc, const unsigned char *bytes, size_t count) {
    while (count >= 8) {
        uint32_t low, high;
        memcpy(&low, bytes, 4);
        memcpy(&high, bytes + 4, 4);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
        low = __builtin_bswap32(low);
        high = __builtin_bswap32(high);
#endif
        low ^= crc;
        crc = table[7][low & 0xFF] ^ table[6][low >> 8 & 0xFF] ^ table[5][low >> 16 & 0xFF] ^ table[4][low >> 24]
            ^ table[3][high & 0xFF] ^ table[2][high >> 8 & 0xFF] ^ table[1][high >> 16 & 0xFF] ^ table[0][high >> 24];
        bytes += 8;
        count -= 8;
    }
    while (count-- > 0) crc = crc >> 8 ^ table[0][(crc ^ *bytes++) & 0xFF];
    return crc;
}

#if defined(__x86_64__)
#include <nmmintrin.h>

__attribute__((target("sse4.2"))) static uint32_t by_instruction(
    uint32_t crc, const unsigned char *bytes, size_t count) {
    uint64_t wide = crc;
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        wide = _mm_crc32_u64(wide, word);
    }
    crc = (uint32_t)wide;
    while (count-- > 0) crc = _mm_crc32_u8(crc, *bytes++);
    return crc;
}

static int has_instruction(void) { return __builtin_cpu_supports("sse4.2"); }
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>

static uint32_t by_instruction(uint32_t crc, const unsigned char *bytes, size_t count) {
    for (; count >= 8; bytes += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __crc32cd(crc, word);
    }
    while (count-- > 0) crc = __crc32cb(crc, *bytes++);
    return crc;
}

static int has_instruction(void) { return 1; }
#else
static uint32_t by_instruction(uint32_t crc, const unsigned char *bytes, size_t count) {
    return by_table(crc, bytes, count);
}

static int has_instruction(void) { return 0; }
#endif

uint32_t clinux_crc32c(uint32_t crc, const void *bytes, size_t count) {
    return ~(has_instruction() ? by_instruction(~crc, bytes, count) : by_table(~crc, bytes, count));
}

uint32_t clinux_crc32c_by_table(uint32_t crc, const void *bytes, size_t count) { return ~by_table(~crc, bytes, count); }
