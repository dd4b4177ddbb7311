# count.awk: count test results in what a test program or `ctest --verbose` printed.
#
# THE IDEA
#   A test is a sentence, not a program. A program that reports its sentences as TAP lines
#       ok 1 - name      not ok 2 - name      ok 3 # SKIP name      skip - name
#   is counted by them; one that does not counts as a single test. (cmocka writes a skip as
#   `not ok 3 # SKIP name`.) A program that failed without any `not ok` failed once more: it crashed,
#   hung or leaked after the last sentence.
#
# IN   the log; -v exit_code=N when it is one program's, with -v name=...; without it the log is that
#      of `ctest --verbose`, whose lines begin with the number of their test.
# OUT  one line "passed failed skipped", then a line for each failure: "program: sentence".

function tap(who, line) {
    if (line ~ /^skip - / || line ~ /^(not )?ok( [0-9]+)?( -)? # [Ss][Kk][Ii][Pp]/) { skips[who]++ }
    else if (line ~ /^not ok/) {
        sub(/^not ok( [0-9]+)?( - )?/, "", line)
        bad[who]++
        failures[++n_failures] = who "\t" line
    } else if (line ~ /^ok( [0-9]+)?( - |$)/) { good[who]++ }
}

# conclude: what the program's end says beyond its sentences.
function conclude(who, result, why) {
    if (result == "failed" && !bad[who]) { bad[who]++; failures[++n_failures] = who "\t" why }
    if (result == "skipped" && !good[who] && !bad[who] && !skips[who]) skips[who]++
    if (result == "passed" && !good[who] && !bad[who] && !skips[who]) {
        if (exit_code != "") { bad[who]++; failures[++n_failures] = who "\tit said nothing" }
        else good[who]++
    }
    passed += good[who]; failed += bad[who]; skipped += skips[who]
}

{ sub(/\r$/, "") }

exit_code != "" { tap(name, $0); next }

match($0, /^[0-9]+: /) {
    who = substr($0, 1, RLENGTH - 2)
    tap(who, substr($0, RLENGTH + 1))
    next
}

# " 3/12 Test  #7: state.test_intern ........   Passed    0.01 sec"
/^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
    match($0, /#[0-9]+/)
    who = substr($0, RSTART + 1, RLENGTH - 1)
    title = substr($0, RSTART + RLENGTH + 2)
    verdict = title
    sub(/ .*/, "", title)
    titles[who] = title
    if (verdict ~ / Passed +[0-9.]+ sec/) conclude(who, "passed")
    else if (verdict ~ /\*\*\*(Skipped|Not Run \(Disabled\))/) conclude(who, "skipped")
    else {
        # "state.test_intern .....Subprocess aborted***Exception:   0.00 sec"
        sub(/^[^ ]+ \.* */, "", verdict); sub(/:? +[0-9.]+ sec.*$/, "", verdict); sub(/^\*+/, "", verdict)
        sub(/\*+/, ", ", verdict)
        conclude(who, "failed", verdict)
    }
}

END {
    if (exit_code != "")
        conclude(name, exit_code == 0 ? "passed" : exit_code == 77 ? "skipped" : "failed",
                 exit_code == 124 || exit_code == 137 ? "ran out of time" : "ended with code " exit_code)
    print passed + 0, failed + 0, skipped + 0
    for (i = 1; i <= n_failures; i++) {
        split(failures[i], part, "\t")
        print (part[1] in titles ? titles[part[1]] : part[1]) ": " part[2]
    }
}
