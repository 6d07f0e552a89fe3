// Command lostrequests counts the requests that are lost when a server is stopped
// as Kubernetes stops it: bare, with `sleep 5` as its preStop, with the native sleep of 5 s,
// and with podhook, drained by facts. It stops each many times, under load, on the
// container engine, with endpoints that are withdrawn sooner or later, prints the counts
// side by side and writes them as JSON. It fails if podhook loses any, or if the load does
// not show what the bare server loses.
package main
