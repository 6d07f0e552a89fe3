#!/bin/sh
# Keeps what podhook knows, because it goes away with the container.
echo "leaving; $PODHOOK_HOOK must end by $PODHOOK_DEADLINE"
podhook status >"$DEMO_WORK/status.txt"
podhook logs prestart >"$DEMO_WORK/prestart.log"
