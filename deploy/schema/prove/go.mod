// Only tests: what podhook itself is built from has no validator.
module github.com/podhook/podhook/deploy/schema/prove

go 1.26.0

require (
	github.com/podhook/podhook v0.0.0
	github.com/santhosh-tekuri/jsonschema/v6 v6.0.2
	go.yaml.in/yaml/v3 v3.0.6
)

require (
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.42.0 // indirect
)

replace github.com/podhook/podhook => ../../..
