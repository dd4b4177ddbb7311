/* evaluate_tasks.c -- the four protocols as a sequence of events and questions.
 *
 *   next-item           views of the training sessions; then each prefix of each test session asks for `home`, session live
 *   next-basket         all receipts but each customer's last; then each customer asks for `home`, at rest
 *   basket-completion   the first four fifths of the receipts; then each later one puts its first half into a cart and asks for `cart`
 *   prequential-basket  receipt after receipt: a known customer asks for `home` just before, then
 *   it is learned
 *
 * Static questions are asked of a frozen engine: a query's own events reach its own session or cart
 * and nothing shared.
 * CLOCK      sessions files have none: an event takes a second, and a minute passes between sessions, so that a hundred thousand of them
 *            are a season, as they are in the shops that publish such files. Otherwise the
 *            receipts' own time.
 * SHOPPERS   a session is a visitor of its own; a receipt's user a customer; a receipt of nobody a visitor of its own.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "evaluate.h"

enum { NAME_BYTES = 32, SECOND_MS = 1000, BETWEEN_SESSIONS_MS = 60000 };

/* A text such as "s17" and its bytes. */
struct name {
    char text[NAME_BYTES];
};

static bk_str_t write_name(struct name *name, const char *prefix, uint64_t number)
{
    int len = snprintf(name->text, sizeof name->text, "%s%" PRIu64, prefix, number);
    return bk_str(name->text, (size_t)len);
}

/* ---- loading ---- */

static int load_sessions(struct eval_run *run, struct bk_reason *reason)
{
    int code = bk__shop_set_sessions(&run->set, run->options->train, reason);
    if (code) return code;
    run->train_count = (uint32_t)run->set.count;
    run->known = run->set.items.count;
    if (!run->options->test) return BK_OK;
    return bk__shop_set_sessions(&run->set, run->options->test, reason);
}

static int load_baskets(struct eval_run *run, struct bk_reason *reason)
{
    struct bk_shop_drop *drop = NULL;
    if (run->options->drop && !(drop = bk_shop_drop_create(run->options->drop, reason)))
        return BK_EINVAL;
    bool numbered = run->options->task == EVAL_NEXT_BASKET;
    int code = bk__shop_set_baskets(&run->set, run->options->data, drop, numbered, reason);
    bk_shop_drop_destroy(&drop);
    return code;
}

int bk__eval_load(struct eval_run *run, struct bk_reason *reason)
{
    bool sessions = run->options->task == EVAL_NEXT_ITEM;
    return sessions ? load_sessions(run, reason) : load_baskets(run, reason);
}

/* ---- a question ---- */

struct question {
    char id[BK_ID_BYTES_MAX +
            NAME_BYTES]; /* in the dump                                              */
    bk_str_t subject;
    enum bk_context context;
    int64_t now_ms;
    const uint32_t
        *shown; /* completion: not to be recommended                                        */
    uint32_t shown_count;
    struct eval_query query;
};

static void write_dump(struct eval_run *run, const struct question *question)
{
    fputs(question->id, run->dump);
    for (uint32_t i = 0; i < question->query.list_count; i++) {
        bk_str_t item = bk_shop_ids_text(&run->set.items, question->query.list[i]);
        fputc('\t', run->dump);
        fwrite(item.p, 1, item.len, run->dump);
    }
    fputc('\n', run->dump);
}

static bool contains(const uint32_t *item, uint32_t count, uint32_t wanted)
{
    for (uint32_t i = 0; i < count; i++)
        if (item[i] == wanted) return true;
    return false;
}

/* The protocol forbids shown items; the engine leaves out what is in the cart, but a cart has its
 * limit. */
static uint32_t leave_out_shown(struct eval_run *run, const struct question *question,
                                uint32_t *list, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (!contains(question->shown, question->shown_count, list[i])) list[kept++] = list[i];
    run->shown_left_out += count - kept;
    return kept;
}

static void ask(struct eval_run *run, struct question *question)
{
    uint32_t list[BK_BASKET_MAX];
    enum bk_context wanted = run->options->context;
    uint32_t count =
        bk__eval_engine_rank(&run->engine, &run->set, question->subject,
                             wanted == BK_CONTEXT_COUNT ? question->context : wanted,
                             question->now_ms, bk__eval_list_size(run->options->task), list);
    question->query.list = list;
    question->query.list_count = leave_out_shown(run, question, list, count);
    if (run->dump) write_dump(run, question);
    bk__eval_metrics_add(&run->metrics, &question->query);
    if (run->beyond.listed) bk__eval_beyond_add(run, &question->query);
}

static int begin(struct eval_run *run, struct bk_reason *reason)
{
    if (bk__eval_metrics_init(&run->metrics, run->options->task, run->set.items.count, run->known))
        return BK_OK;
    return bk_reason_set(reason, BK_ENOMEM, "out of memory for the metrics");
}

/* ---- A. next-item ---- */

static void view(struct eval_run *run, bk_str_t visitor, const uint32_t *item, int64_t time_ms)
{
    struct eval_event event = {
        .kind = BK_EVENT_ITEM_VIEWED,
        .visitor = visitor,
        .item = item,
        .count = 1,
        .time_ms = time_ms,
        .consent = BK_CONSENT_PERSONAL,
    };
    bk__eval_engine_apply(&run->engine, &run->set, &event);
}

static void learn_sessions(struct eval_run *run, int64_t *clock_ms)
{
    struct name name;
    for (size_t i = 0; i < run->train_count; i++) {
        const struct shop_basket *session = &run->set.basket[i];
        bk_str_t visitor = write_name(&name, "s", i + 1);
        for (uint32_t p = 0; p < session->count; p++)
            view(run, visitor, bk__shop_set_items(&run->set, session) + p, *clock_ms += SECOND_MS);
        *clock_ms += BETWEEN_SESSIONS_MS;
    }
}

/* Show the session event by event, and before each but the first ask for it. */
static void ask_session(struct eval_run *run, const struct shop_basket *session, uint64_t line,
                        int64_t *clock_ms)
{
    const uint32_t *item = bk__shop_set_items(&run->set, session);
    struct name visitor, subject;
    struct question question = {.context = BK_CONTEXT_HOME};
    bk_str_t who = write_name(&visitor, "t", line);
    question.subject = write_name(&subject, "v:t", line);
    for (uint32_t p = 0; p < session->count; p++) {
        if (p > 0) {
            snprintf(question.id, sizeof question.id, "s%" PRIu64 ":%u", line, p);
            question.now_ms = *clock_ms;
            question.query = (struct eval_query){.target = &item[p], .target_count = 1};
            ask(run, &question);
        }
        *clock_ms += SECOND_MS;
        bool unknown = !run->options->prequential && item[p] > run->known;
        if (!unknown) view(run, who, &item[p], *clock_ms);
    }
    *clock_ms += BETWEEN_SESSIONS_MS;
}

static int play_next_item(struct eval_run *run, struct bk_reason *reason)
{
    int64_t clock_ms = 0;
    int code = begin(run, reason);
    if (code) return code;
    learn_sessions(run, &clock_ms);
    run->engine.engine.frozen = !run->options->prequential;
    for (size_t i = run->train_count; i < run->set.count; i++)
        ask_session(run, &run->set.basket[i], i - run->train_count + 1, &clock_ms);
    return BK_OK;
}

/* ---- receipts ---- */

static void learn_receipt(struct eval_run *run, const struct shop_basket *receipt)
{
    struct name order, visitor;
    uint64_t number = (uint64_t)(receipt - run->set.basket) + 1;
    struct eval_event event = {
        .kind = BK_EVENT_PURCHASED,
        .session = write_name(&order, "r", number),
        .item = bk__shop_set_items(&run->set, receipt),
        .count = receipt->count,
        .time_ms = receipt->clock_ms,
        .consent = BK_CONSENT_PERSONAL,
    };
    if (receipt->user)
        event.customer = bk_shop_ids_text(&run->set.users, receipt->user);
    else
        event.visitor = write_name(&visitor, "r", number);
    bk__eval_engine_apply(&run->engine, &run->set, &event);
}

static bk_str_t write_customer(const struct eval_run *run, uint32_t user, char *out)
{
    bk_str_t id = bk_shop_ids_text(&run->set.users, user);
    memcpy(out, "c:", 2);
    memcpy(out + 2, id.p, id.len);
    return bk_str(out, id.len + 2);
}

static void write_id(struct question *question, char prefix, bk_str_t name)
{
    snprintf(question->id, sizeof question->id, "%c%.*s", prefix, (int)name.len, name.p);
}

/* ---- B. next-basket ---- */

/* Each user's baskets, oldest first: basket[start[u] .. start[u + 1]) are indexes. */
struct by_user {
    uint32_t *start, *basket;
};

static bool group_by_user(const struct shop_set *set, struct by_user *by)
{
    size_t users = set->users.count;
    by->start = calloc(users + 2, sizeof *by->start);
    by->basket = malloc((set->count + 1) * sizeof *by->basket);
    uint32_t *next = malloc((users + 2) * sizeof *next);
    if (by->start && by->basket && next) {
        for (size_t i = 0; i < set->count; i++) by->start[set->basket[i].user + 1]++;
        for (size_t u = 0; u <= users; u++) by->start[u + 1] += by->start[u];
        memcpy(next, by->start, (users + 2) * sizeof *next);
        for (size_t i = 0; i < set->count; i++)
            by->basket[next[set->basket[i].user]++] = (uint32_t)i;
    }
    bool fits = by->start && by->basket && next;
    free(next);
    return fits;
}

static uint32_t baskets_of(const struct by_user *by, uint32_t user)
{
    return by->start[user + 1] - by->start[user];
}

static bool is_history(const struct eval_run *run, const struct by_user *by, uint32_t index)
{
    uint32_t user = run->set.basket[index].user;
    if (!user || baskets_of(by, user) < 2) return false;
    return index != by->basket[by->start[user + 1] - 1];
}

struct timed {
    int64_t clock_ms;
    uint32_t index;
};

static int compare_timed(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;
    if (x->clock_ms != y->clock_ms) return x->clock_ms < y->clock_ms ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* All histories, merged by time. Returns the last time, or -1 when memory is out. Items met here
 * first are known; the numbers of items are the file's, so `known` means nothing for baskets. */
static int64_t learn_histories(struct eval_run *run, const struct by_user *by)
{
    struct timed *order = malloc((run->set.count + 1) * sizeof *order);
    int64_t last_ms = order ? 0 : -1;
    for (size_t i = 0; order && i < run->set.count; i++)
        order[i] = (struct timed){run->set.basket[i].clock_ms, (uint32_t)i};
    if (order && run->set.count) qsort(order, run->set.count, sizeof *order, compare_timed);
    for (size_t i = 0; order && i < run->set.count; i++) {
        if (!is_history(run, by, order[i].index)) continue;
        learn_receipt(run, &run->set.basket[order[i].index]);
        last_ms = order[i].clock_ms;
    }
    free(order);
    return last_ms;
}

/* The customer's items ever: baskets of one user need not lie together, so they are gathered. */
static size_t gather_history(const struct eval_run *run, const struct by_user *by, uint32_t user,
                             uint32_t *out)
{
    size_t count = 0;
    for (uint32_t at = by->start[user]; at + 1 < by->start[user + 1]; at++) {
        const struct shop_basket *basket = &run->set.basket[by->basket[at]];
        memcpy(out + count, bk__shop_set_items(&run->set, basket), basket->count * sizeof *out);
        count += basket->count;
    }
    return count;
}

static void ask_customer(struct eval_run *run, const struct by_user *by, uint32_t user,
                         int64_t now_ms, uint32_t *history)
{
    char subject[BK_SUBJECT_BYTES_MAX];
    const struct shop_basket *last = &run->set.basket[by->basket[by->start[user + 1] - 1]];
    struct question question = {
        .subject = write_customer(run, user, subject),
        .context = BK_CONTEXT_HOME,
        .now_ms = now_ms,
        .query = {.target = bk__shop_set_items(&run->set, last), .target_count = last->count},
    };
    write_id(&question, 'u', bk_shop_ids_text(&run->set.users, user));
    question.query.history = history;
    question.query.history_count = gather_history(run, by, user, history);
    ask(run, &question);
}

/* Users with two baskets and more, in protocol order; returns how many. */
static uint32_t keep_asked(const struct by_user *by, uint32_t *user, uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++)
        if (baskets_of(by, user[i]) >= 2) user[kept++] = user[i];
    return kept;
}

static void ask_customers(struct eval_run *run, const struct by_user *by, int64_t now_ms,
                          uint32_t *user, uint32_t *history)
{
    uint32_t users = keep_asked(by, user, run->set.users.count);
    uint32_t sample = run->options->user_sample;
    if (sample == 0 || sample > users) sample = users;
    for (uint64_t j = 0; j < sample; j++)
        ask_customer(run, by, user[j * users / sample], now_ms, history);
}

static int play_next_basket(struct eval_run *run, struct bk_reason *reason)
{
    struct by_user by = {0};
    uint32_t *user = bk__shop_set_user_order(&run->set);
    uint32_t *history = malloc((run->set.item_count + 1) * sizeof *history);
    int64_t last_ms = -1;
    int code = begin(run, reason);
    if (code == BK_OK && user && history && group_by_user(&run->set, &by))
        last_ms = learn_histories(run, &by);
    if (code == BK_OK && last_ms < 0) code = bk_reason_set(reason, BK_ENOMEM, "out of memory");
    run->engine.engine.frozen = true;
    int64_t now_ms =
        last_ms + run->engine.engine.params.session_gap_ms + 1; /* nobody is in the shop */
    if (code == BK_OK) ask_customers(run, &by, now_ms, user, history);
    free(by.start);
    free(by.basket);
    free(user);
    free(history);
    return code;
}

/* ---- C. basket-completion ---- */

static uint32_t first_half(uint32_t count)
{
    return (count + 1) / 2;
}

/* Whose cart it is: one of the two. */
struct owner {
    bk_str_t customer, visitor;
};

/* The cart of the shown items the engine has met; what it never met teaches it nothing, and must
 * not while frozen. */
static void change_cart(struct eval_run *run, const struct owner *owner, enum bk_cart_op op,
                        const uint32_t *item, uint32_t count, int64_t time_ms)
{
    struct eval_event event = {
        .kind = BK_EVENT_CART_CHANGED,
        .customer = owner->customer,
        .visitor = owner->visitor,
        .op = op,
        .item = item,
        .count = count,
        .time_ms = time_ms,
        .consent = owner->customer.len ? BK_CONSENT_PERSONAL : BK_CONSENT_SESSION,
    };
    bk__eval_engine_apply(&run->engine, &run->set, &event);
}

static void ask_cart(struct eval_run *run, const struct shop_basket *receipt, uint64_t number)
{
    const uint32_t *item = bk__shop_set_items(&run->set, receipt);
    uint32_t shown = first_half(receipt->count);
    struct name visitor, nobody;
    char customer[BK_SUBJECT_BYTES_MAX];
    bool known = run->options->customers && receipt->user;
    struct owner owner = {0};
    if (known)
        owner.customer = bk_shop_ids_text(&run->set.users, receipt->user);
    else
        owner.visitor = write_name(&visitor, "q", number);
    struct question question = {
        .subject = known ? write_customer(run, receipt->user, customer)
                         : write_name(&nobody, "v:q", number),
        .context = BK_CONTEXT_CART,
        .now_ms = receipt->clock_ms,
        .shown = item,
        .shown_count = shown,
        .query = {.target = item + shown, .target_count = receipt->count - shown},
    };
    write_id(&question, 'r', bk_shop_ids_text(&run->set.names, receipt->name));
    change_cart(run, &owner, BK_CART_ADD, item, shown, receipt->clock_ms);
    ask(run, &question);
    change_cart(run, &owner, BK_CART_CLEAR, NULL, 0, receipt->clock_ms);
}

static int play_completion(struct eval_run *run, struct bk_reason *reason)
{
    size_t cut = 4 * run->set.count / 5;
    int code = begin(run, reason);
    if (code) return code;
    for (size_t i = 0; i < cut; i++) learn_receipt(run, &run->set.basket[i]);
    run->engine.engine.frozen = true;
    for (size_t i = cut; i < run->set.count; i++)
        if (run->set.basket[i].count >= 3) ask_cart(run, &run->set.basket[i], i + 1);
    return BK_OK;
}

/* ---- D. prequential-basket ---- */

static bool is_late(const struct shop_set *set, const struct shop_basket *receipt)
{
    int64_t first = set->basket[0].ts_ms, last = set->basket[set->count - 1].ts_ms;
    return 3 * (receipt->ts_ms - first) >= 2 * (last - first);
}

static void ask_home(struct eval_run *run, const struct shop_basket *receipt)
{
    char subject[BK_SUBJECT_BYTES_MAX];
    struct question question = {
        .subject = write_customer(run, receipt->user, subject),
        .context = BK_CONTEXT_HOME,
        .now_ms = receipt->clock_ms,
        .query = {.target = bk__shop_set_items(&run->set, receipt),
                  .target_count = receipt->count,
                  .late = is_late(&run->set, receipt)},
    };
    write_id(&question, 'r', bk_shop_ids_text(&run->set.names, receipt->name));
    ask(run, &question);
}

static int play_prequential(struct eval_run *run, struct bk_reason *reason)
{
    bool *known = calloc((size_t)run->set.users.count + 1, sizeof *known);
    int code = begin(run, reason);
    if (!known && code == BK_OK) code = bk_reason_set(reason, BK_ENOMEM, "out of memory");
    for (size_t i = 0; code == BK_OK && i < run->set.count; i++) {
        const struct shop_basket *receipt = &run->set.basket[i];
        if (receipt->user && known[receipt->user]) ask_home(run, receipt);
        learn_receipt(run, receipt);
        known[receipt->user] = true;
    }
    free(known);
    return code;
}

/* ---- which ---- */

int bk__eval_play(struct eval_run *run, struct bk_reason *reason)
{
    static int (*const play[EVAL_TASK_COUNT])(struct eval_run *, struct bk_reason *) = {
        [EVAL_NEXT_ITEM] = play_next_item,
        [EVAL_NEXT_BASKET] = play_next_basket,
        [EVAL_BASKET_COMPLETION] = play_completion,
        [EVAL_PREQUENTIAL_BASKET] = play_prequential,
    };
    int code = play[run->options->task](run, reason);
    if (code == BK_OK && run->metrics.failed)
        code = bk_reason_set(reason, BK_ENOMEM, "out of memory for the metrics");
    return code;
}
