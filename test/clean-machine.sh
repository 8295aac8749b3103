#!/usr/bin/env bash
#
# Does on fresh clones what the README tells to do, with next to nothing installed: its first commands that end in
# `npm start` and in `npm test`, in an environment of HOME and a PATH with npm, node, sh, env and nothing more. Not part of
# `npm test`: it downloads all packages and takes several minutes.
#
#   test/clean-machine.sh            all of it
#   test/clean-machine.sh --quick    without the test runs
#
# As root it clones HEAD into folders that only root may enter and, as a second user, into one of that user's; then into
# two at once. In each clone: the install succeeds, the printed curl answers 200, Ctrl-C ends server and PostgreSQL, a
# second start has kept the data, the tests pass. One line per check, and a last line `N passed, N failed`; the exit code
# is 1 if any failed. Outputs of what failed stay in the folder that is then named.

set -u -o pipefail

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && git rev-parse --show-toplevel) || exit 1
quick=${1:-}
base=$(mktemp -d /var/tmp/clean-machine.XXXXXX)
# Others pass through to their own folders; nobody lists it.
chmod 711 "$base"
results=$base/results
: > "$results"

# What was started here works in one of the folders, PostgreSQL included.
finish() {
  trap - EXIT INT TERM HUP
  jobs -p | xargs -r kill 2>/dev/null
  for process in /proc/[0-9]*; do
    case $(readlink "$process/cwd") in "$base"/*) kill -KILL "${process#/proc/}" 2>/dev/null ;; esac
  done
  # Copies of PostgreSQL's programs, which a server that is stopped removes by itself.
  find "$base" -path '*/.data/postgres/programs' 2>/dev/null | while read -r note; do
    case $(cat "$note") in /var/tmp/user-phone-postgres-*) rm -rf "$(cat "$note")" ;; esac
  done
  if grep -q '^FAIL' "$results"; then echo "outputs: $base"; else rm -rf "$base" 2>/dev/null || { sleep 1; rm -rf "$base"; }; fi
}
trap finish EXIT
trap 'exit 130' INT TERM HUP

# check <place> <what> <status>
check() {
  local word=ok
  [ "$3" -eq 0 ] || word=FAIL
  printf '%-4s  %s: %s\n' "$word" "$1" "$2" | tee -a "$results"
  return "$3"
}

# The README's first command that ends in the given one, in a code block or between backticks.
command_in() {
  grep -oE "(^|\`)[a-z][^\`]* && $2(\`|\$)" "$1" | head -1 | tr -d '\`'
}

# The postmasters of the data directories below a folder.
postmasters() {
  local file pid
  find "$1" -name postmaster.pid -path '*/.data/*' 2>/dev/null | while read -r file; do
    pid=$(head -1 "$file")
    grep -q cluster_name=user_phone "/proc/$pid/cmdline" 2>/dev/null && echo "$pid"
  done
}

# minimal <home> <user or ''> <command>: runs it in a session of its own, as a terminal would.
minimal() {
  local as=()
  [ -z "$2" ] || as=(setpriv "--reuid=$2" "--regid=$2" --clear-groups)
  "${as[@]}" setsid --wait env -i HOME="$1" PATH="$base/bin" ${PORT:+PORT="$PORT"} sh -c "cd '$1/clone' && $3"
}

await() { # await <seconds> <command…>
  local end=$((SECONDS + $1))
  shift
  until "$@"; do [ $SECONDS -lt $end ] || return 1; sleep 0.2; done
}

# run_server <home> <user> <command> <output>: in the background, until it listens.
run_server() {
  minimal "$1" "$2" "echo \$\$ > '$1/server.pgid'; $3" > "$4" 2>&1 &
  server=$!
  await 300 eval "grep -qs 'Tokens for' '$4' || ! kill -0 $server 2>/dev/null" && grep -q 'Tokens for' "$4"
}

# As Ctrl-C in a terminal does: a signal to the whole group.
interrupt() {
  kill -INT -- "-$(cat "$1/server.pgid")" && await 30 eval "! kill -0 $server 2>/dev/null" && [ -z "$(postmasters "$1")" ]
}

# The body and, last, the status of the answer to the curl that a server has printed.
printed_curl() {
  sh -c "$(sed -n '/^  curl /,/[^\\]$/p' "$1") -s -w ' %{http_code}'"
}

# place <name> <user or ''> <command to start> <command to test>
place() {
  local name=$1 user=$2 start=$3 test=$4 home=$base/$1 out
  mkdir -m 700 "$home"
  git -c advice.detachedHead=false clone -q "$repository" "$home/clone" || { check "$name" "is cloned" 1; return; }
  [ -z "$user" ] || chown -R "$user:$user" "$home"

  run_server "$home" "$user" "$start" "$home/start.log"
  check "$name" "\`$start\` installs and listens" $? || return
  out=$(printed_curl "$home/start.log")
  [[ $out == *'"details"'*'"verificationCode"'*' 200' ]]
  check "$name" "the printed curl answers 200 with a code" $?
  [ "$(stat -c %a "$home/clone/.data/dev.json")" = 600 ]
  check "$name" "dev.json is its owner's alone" $?
  interrupt "$home"
  check "$name" "Ctrl-C ends the server and its PostgreSQL" $?
  ! grep -qE '^ +at |ERR!' "$home/start.log"
  check "$name" "no stack and no npm error is printed" $?

  run_server "$home" "$user" "npm start" "$home/again.log"
  check "$name" "it starts again" $?
  out=$(printed_curl "$home/again.log")
  [[ $out == *'Phone not changed'*' 400' ]]
  check "$name" "it has kept the phone" $?
  interrupt "$home"
  check "$name" "Ctrl-C ends it again" $?

  if [ "$quick" != --quick ]; then
    # In the background, since bash heeds a signal only once what runs before it has ended.
    PORT= minimal "$home" "$user" "$test" > "$home/test.log" 2>&1 &
    wait $!
    check "$name" "\`$test\` passes" $?
  fi
  [ -z "$(postmasters "$home")" ] && [ -z "$(cd "$home/clone" && git -c safe.directory='*' status --porcelain)" ]
  check "$name" "nothing runs on, and git sees no new file" $?
}

mkdir -m 755 "$base/bin"
for program in npm node sh env; do
  path=$(command -v "$program") || { echo "$program is not installed"; exit 1; }
  ln -s "$(readlink -f "$path")" "$base/bin/$program"
done

git -c advice.detachedHead=false clone -q "$repository" "$base/head" || exit 1
start=$(command_in "$base/head/README.md" "npm start") || start="npm ci && npm start"
test=$(command_in "$base/head/README.md" "npm test") || test="npm ci && npm test"
rm -rf "$base/head"

# The port of the README where it is free.
export PORT=
(exec 3<> /dev/tcp/127.0.0.1/8080) 2>/dev/null && PORT=0

place alone "" "$start" "$test"
if [ "$(id -u)" -eq 0 ]; then place user 65534 "$start" "$test"; fi
PORT=0
place first "" "$start" "$test" & one=$!
place second "" "$start" "$test" & two=$!
wait $one $two

failed=$(grep -c '^FAIL' "$results")
echo "$(grep -c '^ok' "$results") passed, $failed failed"
[ "$failed" -eq 0 ]
