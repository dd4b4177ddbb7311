/* options.c -- one configuration, and what each stage is told of it. */
#include "internal.h"

void bk_state_params_from_config(const struct bk_config *cfg, struct bk_state_params *params)
{
    uint32_t events = 1024;
    while (events * 2ll <= cfg->state_dedup_events) events *= 2; /* the ring wants a power of two */
    *params = (struct bk_state_params){
        .bytes_max = (uint64_t)cfg->state_bytes_max,
        .shards_max = (uint32_t)cfg->state_shards_max,
        .items_max = (uint32_t)cfg->state_items_max,
        .dedup_events = events,
        .pair_partners_max = (uint32_t)cfg->state_pair_partners_max,
        .receipt_lines_max = (uint32_t)cfg->state_receipt_lines_max,
        .postings_max = (uint32_t)cfg->state_postings_max,
        .pair_epoch_ms = cfg->state_pair_epoch,
        .popularity_epoch_ms = cfg->state_popularity_epoch,
        .session_gap_ms = cfg->session_gap,
        .session_events_max = (uint32_t)cfg->session_events_max,
        .cart_lines_max = (uint32_t)cfg->cart_lines_max,
        .history_items_max = (uint32_t)cfg->history_items_max,
        .segments_max = (uint32_t)cfg->segments_max,
        .consent_default = (enum bk_consent)(cfg->consent_default + BK_CONSENT_NONE),
        .time_ahead_max_ms = cfg->time_ahead_max,
    };
}

static const char *or_none(const char *text)
{
    return text[0] ? text : NULL;
}

struct bk_kafka_options bk_kafka_options_from_config(const struct bk_config *cfg)
{
    return (struct bk_kafka_options){
        .brokers = cfg->kafka_brokers,
        .group_id = cfg->kafka_group,
        .alone = !cfg->kafka_share,
        .topics = {[BK_TOPIC_EVENTS] = cfg->kafka_topic_events,
                   [BK_TOPIC_PRODUCTS] = or_none(cfg->kafka_topic_products),
                   [BK_TOPIC_STOCK] = or_none(cfg->kafka_topic_stock),
                   [BK_TOPIC_CUSTOMERS] = or_none(cfg->kafka_topic_customers)},
        .properties = cfg->consumer_properties,
        .queued_kbytes_max = (uint32_t)(cfg->kafka_queued_bytes_max / 1024),
    };
}

struct bk_publisher_options bk__publisher_options(const struct bk_config *cfg)
{
    return (struct bk_publisher_options){
        .key_prefix = cfg->redis_key_prefix,
        .variant = "base",
        .config_version = (uint32_t)(bk_config_digest(cfg) & 0xffff),
        .size = (uint32_t)cfg->lists_size,
        .refresh_ms = cfg->lists_refresh,
        .email_ms = cfg->lists_email_interval,
        .item_interval_ms = cfg->lists_item_interval,
        .distinct_min = (uint32_t)cfg->privacy_distinct_min,
        .announce = cfg->lists_updates_channel,
        .waiting_max = (uint32_t)cfg->lists_waiting_max,
    };
}
