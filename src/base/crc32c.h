/* crc32c.h -- the two ways to compute bk_crc32c, for its tests; nobody else includes it. */
#ifndef BASKETRY_BASE_CRC32C_H
#define BASKETRY_BASE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/** By tables, on any processor. Same contract as bk_crc32c. */
uint32_t bk__crc32c_tables(uint32_t crc, const void *bytes, size_t len);
/** Does this processor have the instruction? */
bool bk__crc32c_has_instruction(void);
/** By the processor's own instruction; only where it has one. */
uint32_t bk__crc32c_instruction(uint32_t crc, const void *bytes, size_t len);

#endif
