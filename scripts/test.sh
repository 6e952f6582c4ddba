#!/bin/bash
# Every test: beside those in the lab, which mostly wait, those that need none. Arguments are pytest's; both are given them.
# What the second line of work says is shown when the first has ended. Reports: build/lab.xml, build/unit.xml.
set -uo pipefail
cd "$(dirname "$0")/.."
mkdir -p build
rm -f build/lab.xml build/unit.xml build/image.xml
none=5 # pytest's status where nothing was selected

pytest() { .venv/bin/python -m pytest "$@"; }

# In a session of its own, and that one has to yield: what the lab's hosts do comes first, with or without groups by session.
aside() {
    echo 10 2>/dev/null >/proc/self/autogroup
    scripts/unit.sh --timeout 900 --junitxml=build/unit.xml "$@"
    unit=$?
    pytest --junitxml=build/image.xml --require-lab -m "image and not soak" "$@"
    image=$?
    echo "$unit $image" >build/aside.status
}
export -f pytest aside
rm -f build/aside.status
setsid nice -n 10 bash -c 'aside "$@"' aside "$@" >build/unit.log 2>&1 </dev/null &
aside=$!
trap 'kill -- -"$aside" 2>/dev/null' EXIT

pytest --junitxml=build/lab.xml --require-lab -m "lab and not image and not soak" "$@"
lab=$?
wait "$aside"
trap - EXIT
echo "The tests that need no lab:"
cat build/unit.log
read -r unit image <build/aside.status || exit 1
ran=
for status in "$lab" "$unit" "$image"; do
    [ "$status" -eq 0 ] && ran=1
    [ "$status" -eq 0 ] || [ "$status" -eq $none ] || exit "$status"
done
[ -n "$ran" ] || { echo "no test was selected" >&2; exit $none; }
