#!/usr/bin/env bash
# Validates the plans: annotations now, a report for people and SARIF for code scanning into files. Exits 0 unless it could not
# begin; the exit code of validate is an output, so that the steps after this one still run.
set -euo pipefail
shopt -s nullglob
shopt -s globstar 2>/dev/null || true # bash 3.2 of macOS has none

say() { printf '%s\n' "$@"; }

cutover=$DNS_CUTOVER_HOME/bin/dns-cutover
out=$RUNNER_TEMP/dns-cutover-report
rm -rf -- "$out"
mkdir -p -- "$out"

plans=()
root=$(pwd -P)

# A link, or a folder that is one, could lead to a file that is not the pull request's own: the checkout's token in .git, a key
# of the runner. Its lines would be shown beside findings.
own() {
    local folder
    [ ! -L "$1" ] && folder=$(cd -P -- "$(dirname -- "$1")" && pwd -P) || return 1
    case $folder/ in
        "$root"/.git/*) return 1 ;;
        "$root"/*) return 0 ;;
    esac
    return 1
}

# The files that a pattern names. It is expanded as a glob and as nothing else: without IFS there are no words to split, so that
# spaces stay, and no command in it is run.
collect() {
    local IFS='' plan
    # shellcheck disable=SC2206 # expanding the pattern is the point
    local matched=($1)
    [ ! -f "$1" ] || matched=("$1")
    for plan in ${matched[@]+"${matched[@]}"}; do
        [ -f "$plan" ] || continue
        if ! own "$plan"; then
            say "::error::a plan is a file of the workspace and no link: $(printf %q "$plan")"
            exit 64
        fi
        plans+=("$plan")
    done
}

while IFS= read -r line; do
    read -r pattern <<<"$line" || true # without the spaces around it
    [ -z "$pattern" ] || collect "$pattern"
done <<<"${INPUT_PLANS:-}"

if [ "${#plans[@]}" -eq 0 ]; then
    say '::error::no plan matches the input plans'
    exit 64
fi

options=()
[ "${INPUT_OFFLINE:-}" != true ] || options+=(--offline)
[ "${INPUT_STRICT:-}" != true ] || options+=(--strict)
read -r -a further <<<"${INPUT_ARGS:-}" || true

run() {
    local format=$1
    # -- keeps a file whose name begins with a hyphen from being an option.
    "$cutover" validate ${options[@]+"${options[@]}"} ${further[@]+"${further[@]}"} --format "$format" -- "${plans[@]}"
}

code=0
run github 2>"$out/validate.log" || code=$?
# Not at the beginning of a line: there the runner would take a file's name such as ::stop-commands:: for a command.
sed 's/^/validate: /' "$out/validate.log"
# Where one plan cannot be read the others still have a report. Nothing on standard output means that there is none.
run markdown >"$out/report.md" 2>"$out/report.log" || true
if [ "${INPUT_SARIF:-}" = true ]; then
    run sarif >"$out/dns-cutover.sarif" 2>"$out/sarif.log" || true
fi

if [ -s "$out/report.md" ]; then
    cat -- "$out/report.md" >>"$GITHUB_STEP_SUMMARY"
    say "markdown=$out/report.md" >>"$GITHUB_OUTPUT"
fi
if [ -s "$out/dns-cutover.sarif" ]; then
    say "sarif=$out/dns-cutover.sarif" >>"$GITHUB_OUTPUT"
fi
say "exit-code=$code" >>"$GITHUB_OUTPUT"
