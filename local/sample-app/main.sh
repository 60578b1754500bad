#!/bin/sh
# The application of a large fleet: as main.mjs, for a hundredth of its memory. One JSON object a line; the agent
# publishes for it. Ends with the agent, whose end breaks the pipe of its next reading.
#
# SAMPLE_APP_THING          whose readings they are
# SAMPLE_APP_EVERY          seconds between two readings, default 5
# SAMPLE_APP_TRIGGER_FILE   while this file exists, it floods a topic that it may not publish to
# SAMPLE_APP_NETWORK_FILE   while this file exists, the device is cut off; a release that starts puts the network right
#
# A file fault.sh beside it is what is wrong with a release; it may set FLOODS or end the shell.
reading=0
every=${SAMPLE_APP_EVERY:-5}
FLOODS=
[ -z "$SAMPLE_APP_NETWORK_FILE" ] || rm -f "$SAMPLE_APP_NETWORK_FILE"
echo '{"health":"healthy"}'
[ ! -f fault.sh ] || . ./fault.sh
while :; do
  reading=$((reading + 1))
  echo "{\"publish\":{\"topic\":\"dt/$SAMPLE_APP_THING/readings\",\"payload\":{\"reading\":$reading}}}"
  if [ -n "$FLOODS" ] || [ -f "$SAMPLE_APP_TRIGGER_FILE" ]; then
    shouts=0
    while [ $shouts -lt 20 ]; do
      shouts=$((shouts + 1))
      echo "{\"publish\":{\"topic\":\"fleet/broadcast/$SAMPLE_APP_THING\",\"payload\":{\"shout\":$shouts}}}"
    done
    sleep 1
  else
    sleep "$every"
  fi
done
