#!/bin/sh
# Saves the status and the output of prestart, which the container takes with it.
echo "leaving; $PODHOOK_HOOK must end by $PODHOOK_DEADLINE"
podhook status >"$DEMO_WORK/status.txt"
podhook logs prestart >"$DEMO_WORK/prestart.log"
