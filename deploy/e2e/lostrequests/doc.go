// Command lostrequests counts the requests that are lost when a server is stopped
// as Kubernetes stops it: bare, with `sleep 5` as its preStop, and with podhook in
// three of its ways. It stops each many times, under load, on the container engine,
// prints the counts side by side and writes them as JSON. It fails if podhook loses
// any, or if the load does not show what the bare server loses.
package main
