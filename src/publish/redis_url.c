/* redis_url.c -- one URL, taken apart from left to right.
 *
 *   redis://[user[:password]@]host[:port][/db]        unix://[user[:password]@]/path[?db=n]
 *
 * `redis://:secret@host` is a password without a user. The last '@' before the first '/' ends the
 * credentials, so that a password pasted without encoding its '@' still works. Reasons name the
 * part that is wrong and never quote the text: it may hold a password.
 */
#include "basketry/redis_url.h"

static const int default_port = 6379;

static int hex_value(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Percent-decode into a C string of at most cap - 1 bytes; false when it does not fit, is badly
 * encoded, or holds a NUL. */
static bool decode(bk_str_t in, char *out, size_t cap)
{
    size_t n = 0;
    for (uint32_t i = 0; i < in.len; i++) {
        int c = (unsigned char)in.p[i];
        if (c == '%') {
            if (i + 2 >= in.len) return false;
            int high = hex_value(in.p[i + 1]), low = hex_value(in.p[i + 2]);
            if (high < 0 || low < 0) return false;
            c = high * 16 + low;
            i += 2;
        }
        if (c == 0 || n + 1 >= cap) return false;
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return true;
}

/* A decimal number in low..high, or -1. */
static int number(bk_str_t text, int low, int high)
{
    int value = 0;
    if (text.len == 0 || text.len > 6) return -1;
    for (uint32_t i = 0; i < text.len; i++) {
        if (text.p[i] < '0' || text.p[i] > '9') return -1;
        value = value * 10 + (text.p[i] - '0');
    }
    return value >= low && value <= high ? value : -1;
}

/* The first (or last) place of c in text, or text.len. */
static uint32_t find(bk_str_t text, char c)
{
    const char *at = text.len ? memchr(text.p, c, text.len) : NULL;
    return at ? (uint32_t)(at - text.p) : text.len;
}

static uint32_t find_last(bk_str_t text, char c)
{
    for (uint32_t i = text.len; i > 0; i--)
        if (text.p[i - 1] == c) return i - 1;
    return text.len;
}

static bk_str_t from(bk_str_t text, uint32_t at)
{
    return at < text.len ? bk_str(text.p + at, text.len - at) : bk_str(text.p + text.len, 0);
}

/* Cut "user:password@" off the front of *rest, when it is there. */
static int take_credentials(bk_str_t *rest, struct bk_redis_url *url, struct bk_reason *reason)
{
    bk_str_t authority = bk_str(rest->p, find(*rest, '/'));
    uint32_t at = find_last(authority, '@');
    if (at == authority.len) return 0;
    bk_str_t pair = bk_str(rest->p, at);
    uint32_t colon = find(pair, ':');
    if (!decode(bk_str(pair.p, colon), url->user, sizeof url->user))
        return bk_reason_set(reason, BK_EINVAL, "the user in the Redis URL is not usable");
    if (!decode(from(pair, colon + 1), url->password, sizeof url->password))
        return bk_reason_set(reason, BK_EINVAL, "the password in the Redis URL is not usable");
    *rest = from(*rest, at + 1);
    return 0;
}

static int take_db(bk_str_t text, struct bk_redis_url *url, struct bk_reason *reason)
{
    if (text.len == 0) return 0;
    url->db = number(text, 0, 65535);
    if (url->db < 0)
        return bk_reason_set(reason, BK_EINVAL,
                             "the database in the Redis URL is not a number 0..65535");
    return 0;
}

/* host[:port] or [v6-address][:port] */
static int take_host(bk_str_t text, struct bk_redis_url *url, struct bk_reason *reason)
{
    bk_str_t host = bk_str(text.p, find_last(text, ':'));
    bk_str_t port = from(text, host.len + 1);
    bool has_port = host.len < text.len;
    if (text.len && text.p[0] == '[') {
        uint32_t close = find(text, ']');
        if (close == text.len)
            return bk_reason_set(reason, BK_EINVAL, "the Redis URL opens '[' and never closes it");
        host = bk_str(text.p + 1, close - 1);
        bk_str_t tail = from(text, close + 1);
        has_port = tail.len > 0;
        if (has_port && tail.p[0] != ':')
            return bk_reason_set(reason, BK_EINVAL, "the Redis URL has text after ']'");
        port = from(tail, 1);
    }
    if (host.len == 0) return bk_reason_set(reason, BK_EINVAL, "the Redis URL names no host");
    if (!decode(host, url->host, sizeof url->host))
        return bk_reason_set(reason, BK_EINVAL, "the host in the Redis URL is not usable");
    url->port = has_port ? number(port, 1, 65535) : default_port;
    if (url->port < 0)
        return bk_reason_set(reason, BK_EINVAL, "the port in the Redis URL is not one of 1..65535");
    return 0;
}

static int parse_tcp(bk_str_t rest, struct bk_redis_url *url, struct bk_reason *reason)
{
    int rc = take_credentials(&rest, url, reason);
    if (rc) return rc;
    uint32_t slash = find(rest, '/');
    rc = take_host(bk_str(rest.p, slash), url, reason);
    return rc ? rc : take_db(from(rest, slash + 1), url, reason);
}

static int parse_unix(bk_str_t rest, struct bk_redis_url *url, struct bk_reason *reason)
{
    int rc = take_credentials(&rest, url, reason);
    if (rc) return rc;
    uint32_t mark = find(rest, '?');
    bk_str_t path = bk_str(rest.p, mark), query = from(rest, mark + 1);
    if (path.len < 2 || path.p[0] != '/')
        return bk_reason_set(reason, BK_EINVAL, "unix:// needs an absolute path: unix:///run/x");
    if (!decode(path, url->path, sizeof url->path))
        return bk_reason_set(reason, BK_EINVAL,
                             "the path in the Redis URL is longer than %zu bytes",
                             sizeof url->path - 1);
    if (query.len == 0) return 0;
    if (query.len < 4 || memcmp(query.p, "db=", 3) != 0)
        return bk_reason_set(reason, BK_EINVAL, "unix:// knows one option: ?db=n");
    return take_db(from(query, 3), url, reason);
}

static bool starts(bk_str_t text, bk_str_t prefix)
{
    return text.len >= prefix.len && memcmp(text.p, prefix.p, prefix.len) == 0;
}

int bk_redis_url_parse(const char *text, struct bk_redis_url *url, struct bk_reason *reason)
{
    static const bk_str_t tcp = {"redis://", 8}, tls = {"rediss://", 9}, local = {"unix://", 7};
    bk_str_t all = bk_str_c(text);
    *url = (struct bk_redis_url){0};
    if (starts(all, tcp)) return parse_tcp(from(all, tcp.len), url, reason);
    if (starts(all, local)) return parse_unix(from(all, local.len), url, reason);
    if (starts(all, tls))
        return bk_reason_set(reason, BK_EUNSUPPORTED,
                             "rediss:// needs TLS, which this hiredis has not: put a TLS tunnel "
                             "(stunnel, envoy) beside Basketry and use redis://");
    return bk_reason_set(reason, BK_EINVAL, "a Redis URL starts with redis:// or unix://");
}
