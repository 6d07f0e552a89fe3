#!/bin/sh
# Renders the page that the workload serves, once for each start of the container.
echo "rendering the page for run $PODHOOK_RUN_ID"
echo "<h1>podhook demo</h1>" >"$DEMO_WORK/www/index.html"
