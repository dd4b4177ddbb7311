/* archive_erase.c -- `basketry archive erase`: a shopper leaves the archive.
 *
 *   1. who    the customer, the visitors that were named, and the visitors that logged in as this
 *             customer and as nobody else (Identified events say so)
 *   2. erase  every file that holds a record about them is written anew without it; a record that cannot be decoded
 *             goes when it holds one of the ids as a text: nobody can tell that it is not about them
 *
 * The archive must have no writer meanwhile: Kafka keeps what comes, and the archiver catches up.
 */
#include "archive_cmd.h"

#include "person.h"

#include <stdlib.h>

struct eraser {
    const struct bk_config *cfg;
    struct bk_decoder *decoder;
    struct person person;
    char *found[PERSON_VISITORS_MAX]; /* visitors of step 1, owned; person borrows them */
    size_t found_count;
    size_t given_count;
    bool shared[PERSON_VISITORS_MAX]; /* logged in as somebody else too */
    struct bk_reason reason;
};

static const struct bk_event *identified(struct eraser *e, const struct bk_record *record)
{
    const struct bk_event *event;
    struct bk_verdict verdict = bk_decode(e->decoder, record, &event);
    return verdict.code == BK_VERDICT_OK && event->kind == BK_EVENT_IDENTIFIED ? event : NULL;
}

static size_t index_of(const struct eraser *e, bk_str_t visitor)
{
    size_t i = 0;
    while (i < e->found_count && !bk_str_eq(bk_str_c(e->found[i]), visitor)) i++;
    return i;
}

static int note_visitor(struct eraser *e, bk_str_t visitor)
{
    if (index_of(e, visitor) < e->found_count) return BK_OK;
    if (e->given_count + e->found_count == PERSON_VISITORS_MAX)
        return bk_reason_set(&e->reason, BK_ELIMIT, "more than %d visitors are this customer's",
                             PERSON_VISITORS_MAX);
    char *copy = strndup(visitor.p, visitor.len);
    if (!copy) return bk_reason_set(&e->reason, BK_ENOMEM, "out of memory");
    e->found[e->found_count++] = copy;
    return BK_OK;
}

/** One reading: `others` false collects the customer's visitors, true marks those that are others'
 *  too. */
static int read_logins(struct eraser *e, struct bk_log_reader *reader, bool others)
{
    struct bk_log_range range = {.topics = 1u << BK_TOPIC_EVENTS};
    struct bk_record record;
    if (!others) range.needle = e->person.customer;
    int code = bk_log_reader_begin(reader, &range, &e->reason);
    while (!code && (code = bk_log_reader_next(reader, &record, &e->reason)) == 1) {
        code = BK_OK;
        if (record.key.len < 2 || record.key.p[0] != 'v')
            continue; /* Identified is the visitor's */
        const struct bk_event *event = identified(e, &record);
        if (!event) continue;
        bool ours = bk_str_eq(event->customer, e->person.customer);
        size_t i = index_of(e, event->visitor);
        if (others && !ours && i < e->found_count) e->shared[i] = true;
        if (!others && ours) code = note_visitor(e, event->visitor);
    }
    return code;
}

static int find_visitors(struct eraser *e, const char *dir)
{
    if (!e->person.customer.len) return BK_OK;
    struct bk_log_reader *reader = bk_log_reader_open(dir, &e->reason);
    if (!reader) return BK_EIO;
    int code = read_logins(e, reader, false);
    if (!code && e->found_count) code = read_logins(e, reader, true);
    bk_log_reader_close(&reader);
    for (size_t i = 0; i < e->found_count; i++)
        if (!e->shared[i]) e->person.visitors[e->person.visitor_count++] = bk_str_c(e->found[i]);
    return code;
}

static bool is_erased(void *arg, const struct bk_record *record)
{
    struct eraser *e = arg;
    return bk__person_may_be_in(&e->person, e->decoder, record);
}

static int rewrite(struct eraser *e, const char *dir)
{
    uint64_t records, files;
    int code;
    struct bk_archive *archive = bk_archive_open(dir, &code, &e->reason);
    if (!archive) return code;
    code = bk_archive_erase(archive, is_erased, e, &records, &files, &e->reason);
    struct bk_reason ignored;
    (void)bk_archive_close(&archive, &ignored); /* nothing was appended */
    if (code) return code;
    size_t shared = 0;
    for (size_t i = 0; i < e->found_count; i++) shared += e->shared[i];
    printf("erased %llu records in %llu files; visitors with it: %zu\n",
           (unsigned long long)records, (unsigned long long)files, e->person.visitor_count);
    if (shared)
        printf("kept: %zu visitors that logged in as others too (--visitor ID erases one)\n",
               shared);
    printf("Kafka and backups are not touched; the running instance forgets by CustomerErased\n");
    return BK_OK;
}

int bk__archive_erase_command(const struct bk_config *cfg, const struct archive_options *given)
{
    struct eraser *e = calloc(1, sizeof *e);
    if (!e) return bk__cli_fail(BK_EXIT_BUG, "out of memory");
    e->cfg = cfg;
    e->person.customer = bk_str_c(given->customer);
    for (size_t i = 0; i < given->visitor_count; i++)
        e->person.visitors[e->person.visitor_count++] = bk_str_c(given->visitors[i]);
    e->given_count = given->visitor_count;
    e->decoder = bk_decoder_create(cfg->decode_schemas_dir[0] ? cfg->decode_schemas_dir : NULL,
                                   (uint32_t)cfg->decode_bytes_max, &e->reason);
    int code = e->decoder ? find_visitors(e, given->dir) : BK_EINVAL;
    if (!code) code = rewrite(e, given->dir);
    int exit_code = code ? bk__cli_fail(bk__cli_exit_of(code), "%s", e->reason.text) : BK_EXIT_OK;
    if (e->decoder) bk_decoder_destroy(&e->decoder);
    for (size_t i = 0; i < e->found_count; i++) free(e->found[i]);
    free(e);
    return exit_code;
}
