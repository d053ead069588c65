#!/usr/bin/env bash
# The package in a virtual environment of its own, outside the workspace: what the workspace holds is not trusted, and what the
# job has installed is not touched.
set -euo pipefail

home=$RUNNER_TEMP/dns-cutover
python=${INPUT_PYTHON:-python3}

if ! "$python" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "::error::dns-cutover needs Python 3.11 or later; add actions/setup-python before this step"
    exit 1
fi

# -I: Python would otherwise take its modules from the folder that it is started in, which is the workspace; a pull request
# with a file venv.py would be run here.
"$python" -I -m venv --clear "$home"
if [ -n "${INPUT_VERSION:-}" ]; then
    # A version, and nothing that pip would take for an option or another source.
    if ! [[ $INPUT_VERSION =~ ^[0-9][0-9A-Za-z.+-]*$ ]]; then
        echo "::error::the input version is a version number, such as 1.2.0"
        exit 64
    fi
    source=dns-cutover==$INPUT_VERSION
else
    source=$GITHUB_ACTION_PATH
fi
# Outside the workspace: pip would read configuration from where it is started.
cd "$RUNNER_TEMP"
"$home/bin/python" -I -m pip install --quiet --disable-pip-version-check --no-input "$source"
printf 'DNS_CUTOVER_HOME=%s\n' "$home" >>"$GITHUB_ENV"
"$home/bin/dns-cutover" --version
