// CRC-32C with the processor's own instruction.
//
// Every chunk of a body has its checksum computed by its sender and by its receiver, on the thread of
// the event loop: with tables that takes longer than to encrypt it. Swift compiles for the oldest
// processor there is and cannot choose at run time, which is why this is C: the instruction set is an
// attribute of a function, and the processor is asked whether to call it.
//
// Memory safety: bytes are read inside `size` only, through memcpy, so that alignment does not matter.

#include "crc32c.h"

#include <string.h>

#if defined(__x86_64__)

#include <immintrin.h>

int crc32c_is_native(void) {
    return __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
}

static inline uint64_t load(const uint8_t *bytes) {
    uint64_t word;
    memcpy(&word, bytes, 8);
    return word;
}

/// The register after as many zero bytes as `power` stands for: x^(8n - 33) modulo the polynomial, its
/// bits reversed. The product has 64 bits; the instruction multiplies by x^33 more (32 of its own, and
/// one because the product of two reversed polynomials is shifted by one bit) and reduces it.
__attribute__((target("sse4.2,pclmul"))) static inline uint32_t after_zeros(
    uint32_t crc, uint32_t power) {
    __m128i product =
        _mm_clmulepi64_si128(_mm_cvtsi32_si128((int)crc), _mm_cvtsi32_si128((int)power), 0);
    return (uint32_t)_mm_crc32_u64(0, (uint64_t)_mm_cvtsi128_si64(product));
}

/// Three blocks of `block` bytes at a time, as long as there are three: the instruction takes three
/// cycles and one can begin in each. `once` and `twice` stand for one block and for two of zeros.
__attribute__((target("sse4.2,pclmul"))) static inline uint32_t three_at_a_time(
    uint32_t crc, const uint8_t **bytes, size_t *size, size_t block, uint32_t once,
    uint32_t twice) {
    while (*size >= 3 * block) {
        uint64_t a = crc, b = 0, c = 0;
        for (size_t i = 0; i < block; i += 8) {
            a = _mm_crc32_u64(a, load(*bytes + i));
            b = _mm_crc32_u64(b, load(*bytes + block + i));
            c = _mm_crc32_u64(c, load(*bytes + 2 * block + i));
        }
        crc = after_zeros((uint32_t)a, twice) ^ after_zeros((uint32_t)b, once) ^ (uint32_t)c;
        *bytes += 3 * block;
        *size -= 3 * block;
    }
    return crc;
}

__attribute__((target("sse4.2,pclmul"))) uint32_t crc32c_native(
    uint32_t crc, const uint8_t *bytes, size_t size) {
    crc = three_at_a_time(crc, &bytes, &size, 4096, 0x82F89C77, 0x54A86326);
    crc = three_at_a_time(crc, &bytes, &size, 256, 0xB9E02B86, 0xDD7E3B0C);
    uint64_t wide = crc;
    for (; size >= 8; size -= 8, bytes += 8) wide = _mm_crc32_u64(wide, load(bytes));
    crc = (uint32_t)wide;
    for (; size > 0; size--) crc = _mm_crc32_u8(crc, *bytes++);
    return crc;
}

#elif defined(__aarch64__) && defined(__linux__)

#include <sys/auxv.h>

#ifndef HWCAP_CRC32
#define HWCAP_CRC32 (1 << 7)
#endif

int crc32c_is_native(void) { return (getauxval(AT_HWCAP) & HWCAP_CRC32) != 0; }

__attribute__((target("crc"))) uint32_t crc32c_native(
    uint32_t crc, const uint8_t *bytes, size_t size) {
    for (; size >= 8; size -= 8, bytes += 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        crc = __builtin_arm_crc32cd(crc, word);
    }
    for (; size > 0; size--) crc = __builtin_arm_crc32cb(crc, *bytes++);
    return crc;
}

#else

int crc32c_is_native(void) { return 0; }

uint32_t crc32c_native(uint32_t crc, const uint8_t *bytes, size_t size) {
    (void)bytes, (void)size;
    return crc;
}

#endif
