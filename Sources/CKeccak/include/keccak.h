#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// Permutes one state of 25 lanes; false, and nothing done, where this processor has nothing that is
/// quicker than portable code.
bool keccak_permute(uint64_t *state);

/// How many Keccak-256 states this processor permutes at once: 8 with AVX-512, 4 with AVX2, otherwise
/// 0, and then there is nothing here to call.
size_t keccak_batch_width(void);

/// The Keccak-256 digests of `count` messages: message i lies at `bytes + offsets[i]` and has
/// `sizes[i]` bytes; its digest is written to `digests + 32 * i`.
///
/// Only where `keccak_batch_width` is not 0.
void keccak_batch(
    const uint8_t *bytes, const size_t *offsets, const size_t *sizes, size_t count,
    uint8_t *digests);
