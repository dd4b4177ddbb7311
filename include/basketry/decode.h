/* decode.h -- bytes from the log become events or verdicts.
 *
 * Confluent framing names the writer's schema; that schema and ours are compiled once into a flat
 * program, which a bounds-checked cursor runs without allocating. avro-c only parses schemas at
 * start-up.
 */
#ifndef BASKETRY_DECODE_H
#define BASKETRY_DECODE_H

#include "basketry/error.h"
#include "basketry/event.h"
#include "basketry/source.h"
#include "basketry/verdict.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_decoder; /* schemas, plans and the scratch of the current event; loop thread only */

/** A decoder that knows the built-in schemas under the ids of schemas/ids.tsv.
 *  @p schemas_dir  NULL, or a folder with further writer schemas: its own ids.tsv (`id<TAB>file`,
 *  and after another tab
 *                  the schema's GUID where the registry gave one) is read.
 *  @p bytes_max    longest payload that is looked at.
 *  Returns NULL and fills `reason` (file and what is wrong with it) when a schema does not parse or
 *  resolve. */
struct bk_decoder *bk_decoder_create(const char *schemas_dir, uint32_t bytes_max,
                                     struct bk_reason *reason);
void bk_decoder_destroy(struct bk_decoder **decoder);

/** Teach the decoder one more writer schema. Returns 0, BK_EINVAL (does not parse, or cannot be
 *  resolved to the reader: reason names the field) or BK_ELIMIT. An id once known keeps its
 *  meaning: the same text again is 0, another BK_EINVAL. */
enum { BK_SCHEMAS_MAX = 1024, BK_SCHEMA_BYTES_MAX = 1 << 20 };
BK_MUST_CHECK int bk_decoder_schema_add(struct bk_decoder *decoder, uint32_t id, const char *avsc,
                                        size_t len, struct bk_reason *reason);

/** Decode and validate one record. On BK_VERDICT_OK `*event` points to the decoder's event: valid,
 *  with all its strings borrowed from `record`, until the next call; otherwise it is NULL. The key
 *  is checked against the subject (behaviour) or the fact's id. A null value on a fact's topic is
 *  an event with `tombstone` set and the ids of its key. An optional text that is empty counts as
 *  null. Never allocates, never fails otherwise. */
struct bk_verdict bk_decode(struct bk_decoder *decoder, const struct bk_record *record,
                            const struct bk_event **event);

/* ---- writing: for import, produce and tests ---- */

/** Encode an event under our own current schema of its kind, framing included. Returns the length,
 *  or 0 when it does not fit into `cap` bytes. Null strings and BK_NULL_I64 are written as null
 *  where the schema allows it. */
size_t bk_encode_event(const struct bk_event *event, uint8_t *out, size_t cap);

/** The schema id that bk_encode_event frames this kind with. */
uint32_t bk_schema_id(enum bk_event_kind kind);
/** The schema's own text (avsc), NUL-terminated, static. */
const char *bk_schema_text(enum bk_event_kind kind);

#ifdef __cplusplus
}
#endif
#endif
