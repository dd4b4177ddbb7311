# common.sh: what every script under tools/ shares. Sourced, never run.
#
# THE IDEA
#   A script says what it does in named steps; how a step is reported, where caches live and how a
#   program becomes root is said once, here.
#
# CONTRACT
#   Sourcing sets ROOT (the top of the tree) and CACHE (what can always be made again, outside the
#   tree: $BASKETRY_CACHE, else $XDG_CACHE_HOME/basketry, else ~/.cache/basketry).
#   stdout belongs to results that another program may read; everything said to a person goes to
#   stderr through `say`.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
CACHE=${BASKETRY_CACHE:-${XDG_CACHE_HOME:-$(cd ~ && pwd)/.cache}/basketry}
export BASKETRY_CACHE=$CACHE
# shellcheck disable=SC2034  # ROOT is for whoever sources this
readonly ROOT CACHE

say() { printf '%s\n' "$*" >&2; }
die() { say "${0##*/}: $*"; exit 1; }
usage_error() { say "${0##*/}: $* (see --help)"; exit 64; }

# help: print the calling script's head comment, the one place where its contract is written.
help() { awk 'NR == 1 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$0"; }

have() { command -v "$1" >/dev/null 2>&1; }

# as_root CMD...: run CMD as root, by sudo when we are not.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"
    elif have sudo; then sudo "$@"
    else die "need root for: $* (no sudo here)"
    fi
}

# quietly LOG CMD...: run CMD with all it prints in LOG; on failure show the tail and say where it is.
# A word for each run is enough while it works; the log matters once it does not.
quietly() {
    local log=$1 rc=0
    shift
    mkdir -p "$(dirname "$log")"
    "$@" >"$log" 2>&1 </dev/null || rc=$?
    [ "$rc" -eq 0 ] || { show_tail "$log"; return "$rc"; }
}

# show_tail LOG [LINES]: the end of a log, indented, with its path.
show_tail() {
    say "---- the end of $1"
    tail -n "${2:-40}" "$1" | sed 's/^/    /' >&2
    say "----"
}

# with_lock FILE CMD...: run CMD alone among all who use FILE; waits its turn. Several trees, or
# several people in one tree, may ask for the same cache at the same moment. What CMD starts does not
# inherit the lock: a daemon left behind (by a package's installation, say) would hold it for ever.
with_lock() {
    local file=$1
    shift
    mkdir -p "$(dirname "$file")"
    (
        exec 9>"$file"
        flock 9
        "$@" 9>&-
    )
}

# seconds_since START: whole seconds since START ($SECONDS at that time), for one-line reports.
seconds_since() { printf '%d s' "$((SECONDS - $1))"; }
