#!/bin/sh
# The container of the demo: podhook's agent beside the workload. The script
# waits for the agent, not for the workload: if the container ended as soon as
# `signal: QUIT` has drained the workload, preStop would be cut off.
podhook serve &
agent=$!
if [ "$DEMO_SERVER" = nginx ]; then
	nginx -e "$DEMO_WORK/error.log" -c "$DEMO_WORK/nginx.conf" &
else
	"$DEMO_WORK/webserver" -listen "127.0.0.2:$WEB_PORT" -root "$DEMO_WORK/www" -pidfile "$DEMO_WORK/main.pid" &
fi
trap 'kill "$agent"' TERM
wait "$agent"
wait
