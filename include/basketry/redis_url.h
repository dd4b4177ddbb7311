/* redis_url.h -- where a Redis lives and how to introduce ourselves, taken out of one URL. */
#ifndef BASKETRY_REDIS_URL_H
#define BASKETRY_REDIS_URL_H

#include "basketry/base.h"
#include "basketry/error.h"

#ifdef __cplusplus
extern "C" {
#endif

struct bk_redis_url {
    char host[256];     /* a name or an address without brackets; "" for a unix socket */
    char path[108];     /* of the unix socket, or ""; a sockaddr_un holds no more        */
    char user[256];     /* "" = the default user                                        */
    char password[512]; /* "" = none                                                    */
    int port;
    int db;
};

/** redis://[user[:password]@]host[:port][/db] or unix://[user[:password]@]/path[?db=n]; user and
 *  password may be percent-encoded. 0, or BK_EINVAL / BK_EUNSUPPORTED (rediss://) with a reason
 * that never repeats the password. */
BK_MUST_CHECK int bk_redis_url_parse(const char *text, struct bk_redis_url *url,
                                     struct bk_reason *reason);

#ifdef __cplusplus
}
#endif
#endif
