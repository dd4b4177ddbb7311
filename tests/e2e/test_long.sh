#!/usr/bin/env bash
# The stories that say more when they have the time: every item of a real shop, a minute of load, half a minute without Redis, 200 kills.
# tier: full
# time limit: 2400 s
set -u
code=0
for story in exact fresh frozen kill; do
    BASKETRY_TIER=full "$BASKETRY_PYTHON" "$(dirname "$0")/test_$story.py"
    case $? in
        0 | 77) ;;
        *) code=1 ;;
    esac
done
exit "$code"
