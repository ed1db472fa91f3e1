#pragma once

#include <stddef.h>
#include <stdint.h>

/// Whether this processor computes CRC-32C itself. If not, there is nothing here to call.
int crc32c_is_native(void);

/// Continues a CRC-32C with `size` bytes. `crc` is the register, before the complement that ends a
/// checksum and after the one that begins it.
///
/// Only where `crc32c_is_native`.
uint32_t crc32c_native(uint32_t crc, const uint8_t *bytes, size_t size);
