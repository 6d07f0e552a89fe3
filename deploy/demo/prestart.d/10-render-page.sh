#!/bin/sh
# Renders what the workload serves. Runs once in an instance, whoever calls.
echo "rendering the page for run $PODHOOK_RUN_ID"
echo "<h1>podhook demo</h1>" >"$DEMO_WORK/www/index.html"
