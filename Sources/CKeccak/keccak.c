// Keccak-f[1600] and Keccak-256 with the instructions that this processor has.
//
// A witness is thousands of nodes, and each is hashed before anything else can happen: eight states side
// by side use all of a vector unit. Swift compiles for the oldest processor there is and cannot choose at
// run time, which is why this is C: the instruction set is an attribute of a function, and the processor
// is asked which to call.
//
// Memory safety: a message is read inside its size only. The last block of each is copied into a buffer
// of one block before it is padded.

#include "keccak.h"

#include <string.h>

#define RATE 136
#define WORDS (RATE / 8)

#if defined(__x86_64__)

static const uint64_t round_constants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808A, 0x8000000080008000,
    0x000000000000808B, 0x0000000080000001, 0x8000000080008081, 0x8000000000008009,
    0x000000000000008A, 0x0000000000000088, 0x0000000080008009, 0x000000008000000A,
    0x000000008000808B, 0x800000000000008B, 0x8000000000008089, 0x8000000000008003,
    0x8000000000008002, 0x8000000000000080, 0x000000000000800A, 0x800000008000000A,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008,
};

typedef uint64_t vector2 __attribute__((vector_size(16), may_alias));
typedef uint64_t vector4 __attribute__((vector_size(32), may_alias));
typedef uint64_t vector8 __attribute__((vector_size(64), may_alias));

#define NAME permute1
#define VECTOR uint64_t
#define TARGET "bmi,bmi2"
#include "permute.inc.h"
#undef NAME
#undef VECTOR
#undef TARGET

#define NAME permute2
#define VECTOR vector2
#define TARGET "avx512f,avx512vl"
#include "permute.inc.h"
#undef NAME
#undef VECTOR
#undef TARGET

#define NAME permute4
#define VECTOR vector4
#define TARGET "avx2"
#include "permute.inc.h"
#undef NAME
#undef VECTOR
#undef TARGET

#define NAME permute8
#define VECTOR vector8
#define TARGET "avx512f"
#include "permute.inc.h"
#undef NAME
#undef VECTOR
#undef TARGET

bool keccak_permute(uint64_t *state) {
    if (__builtin_cpu_supports("avx512vl")) {
        // One state in the lower halves of vectors: of these there are enough for all 25 lanes, and they
        // have instructions for what a round does. Twice as fast as the integer registers (measured).
        vector2 lanes[25];
        for (size_t i = 0; i < 25; i++) lanes[i] = (vector2){state[i], 0};
        permute2(lanes);
        for (size_t i = 0; i < 25; i++) state[i] = lanes[i][0];
        return true;
    }
    if (!__builtin_cpu_supports("bmi2")) return false;
    permute1(state);
    return true;
}

size_t keccak_batch_width(void) {
    if (__builtin_cpu_supports("avx512f")) return 8;
    return __builtin_cpu_supports("avx2") ? 4 : 0;
}

/// Where the messages of the states that run are.
struct lane {
    const uint8_t *next;
    size_t left;
    size_t message;
    int is_last;
};

/// XORs one block of a message into its state, whose words stand `width` apart.
static void absorb(struct lane *lane, uint64_t *state, size_t width) {
    uint8_t padded[RATE];
    const uint8_t *block = lane->next;
    if (lane->left >= RATE) {
        lane->next += RATE;
        lane->left -= RATE;
    } else {
        memset(padded, 0, RATE);
        memcpy(padded, block, lane->left);
        padded[lane->left] = 0x01;
        padded[RATE - 1] |= 0x80;
        block = padded;
        lane->is_last = 1;
    }
    for (size_t i = 0; i < WORDS; i++) {
        uint64_t word;
        memcpy(&word, block + 8 * i, 8);
        state[i * width] ^= word;
    }
}

void keccak_batch(
    const uint8_t *bytes, const size_t *offsets, const size_t *sizes, size_t count,
    uint8_t *digests) {
    const size_t width = keccak_batch_width();
    // The larger of the two serves both.
    _Alignas(64) uint64_t states[25 * 8];
    struct lane lanes[8];
    size_t next = 0, running = 0;
    memset(states, 0, sizeof states);
    memset(lanes, 0, sizeof lanes);
    for (size_t l = 0; l < width; l++) lanes[l].message = SIZE_MAX;
    for (;;) {
        for (size_t l = 0; l < width; l++) {
            struct lane *lane = &lanes[l];
            if (lane->message == SIZE_MAX) {
                if (next == count) continue;
                *lane = (struct lane){bytes + offsets[next], sizes[next], next, 0};
                for (size_t i = 0; i < 25; i++) states[i * width + l] = 0;
                next++;
                running++;
            }
            absorb(lane, states + l, width);
        }
        if (running == 0) return;
        if (width == 8) {
            permute8((vector8 *)states);
        } else {
            permute4((vector4 *)states);
        }
        for (size_t l = 0; l < width; l++) {
            struct lane *lane = &lanes[l];
            if (lane->message == SIZE_MAX || !lane->is_last) continue;
            for (size_t i = 0; i < 4; i++) {
                memcpy(digests + 32 * lane->message + 8 * i, &states[i * width + l], 8);
            }
            lane->message = SIZE_MAX;
            running--;
        }
    }
}

#else

bool keccak_permute(uint64_t *state) {
    (void)state;
    return false;
}

size_t keccak_batch_width(void) { return 0; }

void keccak_batch(
    const uint8_t *bytes, const size_t *offsets, const size_t *sizes, size_t count,
    uint8_t *digests) {
    (void)bytes, (void)offsets, (void)sizes, (void)count, (void)digests;
}

#endif
