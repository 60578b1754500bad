#!/bin/sh
# Installs the device agent as a systemd service that runs as an ordinary user. Safe to repeat: it then brings
# program and unit up to date and leaves configuration and state alone.
set -eu

NAME=iot-device-agent
USER_NAME=iot-agent
ROOT=
NODE=
DRY_RUN=no
UNINSTALL=no
HERE=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
PROGRAM_DIR=/usr/local/lib/$NAME
PROGRAM=$PROGRAM_DIR/device-agent.js
CONFIG_DIR=/etc/$NAME
ENV_FILE=$CONFIG_DIR/agent.env
UNIT=/etc/systemd/system/$NAME.service
STATE_DIR=/var/lib/$NAME

usage() {
  cat <<EOF
Installs the device agent as the systemd service $NAME.

Usage: install.sh [--program FILE] [--node FILE] [--user NAME] [--root DIR] [--dry-run] [--uninstall]

  --program FILE  the bundle (default: device-agent.js beside this script, or dist/ of the project)
  --node FILE     Node 20.19 or newer (default: the one on the PATH)
  --user NAME     the ordinary user it runs as, made where there is none (default $USER_NAME)
  --root DIR      install below DIR, for an image: no user is made and no service started
  --dry-run       say what would be done
  --uninstall     stop the service, remove program and unit; configuration and state stay

Configuration goes in $ENV_FILE, state in $STATE_DIR.
EOF
}

fail() {
  printf 'install.sh: %s\n' "$1" >&2
  exit 1
}

# Does what it is told, or says it.
act() {
  if [ "$DRY_RUN" = yes ]; then
    printf 'would: %s\n' "$*"
  else
    "$@"
  fi
}

plain_path() {
  case $2 in
    /*) ;;
    *) fail "$1 must be an absolute path, not '$2'" ;;
  esac
  case $2 in
    *[!A-Za-z0-9_./+-]*) fail "$1 may have letters, digits and _ . / + - only, not '$2'" ;;
  esac
}

on_this_device() {
  [ -z "$ROOT" ]
}

check_prerequisites() {
  if on_this_device; then
    [ "$(id -u)" = 0 ] || [ "$DRY_RUN" = yes ] || fail 'must run as root; try: sudo ./install.sh'
    command -v systemctl >/dev/null 2>&1 || fail 'needs systemd; there is no systemctl'
  else
    plain_path --root "$ROOT"
    [ -d "$ROOT" ] || fail "--root: there is no folder $ROOT"
  fi
  case $USER_NAME in
    '' | [!a-z_]* | *[!a-z0-9_-]*) fail "--user: '$USER_NAME' is no user name" ;;
  esac
}

find_program() {
  if [ -z "${SOURCE:-}" ]; then
    for SOURCE in "$HERE/device-agent.js" "$HERE/../../dist/device-agent.js"; do
      [ -f "$SOURCE" ] && break
    done
  fi
  [ -f "$SOURCE" ] || fail 'there is no device-agent.js; make it with: npm run build:agent'
}

find_node() {
  [ -n "$NODE" ] || NODE=$(command -v node) || fail 'needs Node 20.19 or newer; give --node FILE'
  plain_path --node "$NODE"
  [ -x "$NODE" ] || fail "--node: $NODE can't be run"
  "$NODE" -e 'const [a, b] = process.versions.node.split(".").map(Number);
    process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "needs Node 20.19 or newer, which $NODE is not"
}

make_user() {
  on_this_device || return 0
  id "$USER_NAME" >/dev/null 2>&1 && return 0
  act useradd --system --user-group --no-create-home --home-dir "$STATE_DIR" \
    --shell /usr/sbin/nologin "$USER_NAME"
}

# Copies beside the file and renames, so that a program that runs is never half new.
put() {
  mode=$1 source=$2 target=$ROOT$3
  if [ "$DRY_RUN" = yes ]; then
    printf 'would: install %s, mode %s\n' "$target" "$mode"
    return 0
  fi
  install -m "$mode" -- "$source" "$target.new"
  mv -f -- "$target.new" "$target"
}

put_unit() {
  filled=$(mktemp)
  sed -e "s|@USER@|$USER_NAME|g" -e "s|@ENV_FILE@|$ENV_FILE|g" -e "s|@NODE@|$NODE|g" \
    -e "s|@PROGRAM@|$PROGRAM|g" "$HERE/$NAME.service" >"$filled"
  put 644 "$filled" "$UNIT"
  rm -f -- "$filled"
}

put_configuration() {
  if [ -e "$ROOT$ENV_FILE" ]; then
    printf 'keeping %s\n' "$ROOT$ENV_FILE"
  else
    put 600 "$HERE/agent.env" "$ENV_FILE"
  fi
}

install_all() {
  find_program
  find_node
  make_user
  act install -d -m 755 "$ROOT$PROGRAM_DIR" "$ROOT$CONFIG_DIR" "$ROOT$(dirname "$UNIT")"
  act install -d -m 700 "$ROOT$STATE_DIR"
  if on_this_device; then act chown "$USER_NAME:" "$STATE_DIR"; fi
  put 644 "$SOURCE" "$PROGRAM"
  put_configuration
  put_unit
  if on_this_device; then
    act systemctl daemon-reload
    act systemctl enable "$NAME"
    if grep -q '^AGENT_THING=.' "$ENV_FILE" 2>/dev/null; then
      act systemctl restart "$NAME"
    else
      printf 'Fill in %s, then: systemctl start %s\n' "$ENV_FILE" "$NAME"
    fi
  fi
}

uninstall_all() {
  if on_this_device; then act systemctl disable --now "$NAME" || true; fi
  act rm -f -- "$ROOT$UNIT" "$ROOT$PROGRAM"
  if [ -d "$ROOT$PROGRAM_DIR" ]; then act rmdir "$ROOT$PROGRAM_DIR"; fi
  if on_this_device; then act systemctl daemon-reload; fi
  printf 'kept: %s %s\n' "$ROOT$CONFIG_DIR" "$ROOT$STATE_DIR"
}

while [ $# -gt 0 ]; do
  case $1 in
    --help) usage; exit 0 ;;
    --dry-run) DRY_RUN=yes ;;
    --uninstall) UNINSTALL=yes ;;
    --program | --node | --user | --root)
      [ $# -ge 2 ] || fail "$1 needs a value"
      case $1 in
        --program) SOURCE=$2 ;;
        --node) NODE=$2 ;;
        --user) USER_NAME=$2 ;;
        --root) ROOT=${2%/} ;;
      esac
      shift
      ;;
    *) fail "unknown option $1; see --help" ;;
  esac
  shift
done

check_prerequisites
if [ "$UNINSTALL" = yes ]; then uninstall_all; else install_all; fi
