#!/bin/sh
# The entrypoint of the demo: podhook's agent beside the workload. It waits for the agent
# and not for the workload: otherwise the container would end as soon as `signal: QUIT`
# has drained the workload, and cut preStop off.
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
