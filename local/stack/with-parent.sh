#!/bin/sh
# with-parent.sh COMMAND [ARGUMENT…]
#
# Runs COMMAND under this process id and ends it when file descriptor 3 reaches its end. The parent
# holds the other end of that pipe, so COMMAND dies with it however the parent dies, SIGKILL
# included: SIGTERM first, SIGKILL three seconds later. COMMAND needs no help of its own for this.
pid=$$
(
  cat <&3 >/dev/null
  kill -TERM "$pid"
  tries=30
  while [ "$tries" -gt 0 ] && kill -0 "$pid"; do
    sleep 0.1
    tries=$((tries - 1))
  done
  kill -KILL "$pid" || :
  # Its children too, where it leads a group of its own; where it does not, no such group exists.
  kill -KILL "-$pid"
) >/dev/null 2>&1 &
exec "$@" 3<&-
