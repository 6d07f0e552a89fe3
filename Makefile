# `make` alone lists the targets.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
REVISION := $(shell git rev-parse HEAD 2>/dev/null)

# The directory of the binaries.
BIN := bin

# The name of the image that `make image` builds.
IMAGE := podhook

# The most bytes that bin/podhook may have (linux/amd64).
SIZE_BUDGET := 10400000

# How often lost-requests stops each server in each way. e2e needs a minute with 3.
CYCLES := 30
CYCLES_IN_E2E := 3
RESULTS := deploy/e2e/results

FUZZ_TIME := 60s

# How long `make model` runs. MODEL_SEED=N begins with that round.
MODEL_TIME := 60s

# How long `make monitoring` keeps its fleet. An alert about a slow prestart needs a minute.
MONITORING_TIME := 60s
# Where it draws the graphs of the dashboard.
MONITORING_PICTURE :=

# How many agents `make scale` starts.
SCALE_AGENTS := 500

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Runs `go test` and, at the end, lists the skipped tests with their reasons.
GOTESTSUM := go run gotest.tools/gotestsum@v1.13.0 --format pkgname

# The race detector needs a C compiler; without one the tests run without it.
RACE := $(if $(shell command -v gcc cc clang 2>/dev/null),-race)
ifeq ($(RACE),)
export CGO_ENABLED := 0
endif

# HTTP/2 is left out: it takes 0.36 MB, and kubelet and Prometheus speak HTTP/1.1 here.
# The version is a linker flag, so that a build needs no repository.
# Packages of which no code runs often enough to be worth it are not inlined, which takes
# 0.8 MB: all but the parts of the standard library that are not named here.
COLD := github.com/... google.golang.org/... go.yaml.in/... vendor/... context crypto/... compress/... encoding/... \
	errors flag fmt golang.org/... hash/... io/... log/... math/big mime/... net/... os/... path/... reflect regexp/... \
	sort strconv text/... time unicode/...
# The Green Tea collector of Go 1.26 writes at the end of each span of objects: 0.1 MB more of
# an idle process, which it never collects, and 45 kB of code.
COLLECTOR := $(if $(filter go1.26%,$(shell go env GOVERSION)),GOEXPERIMENT=nogreenteagc)
BUILD := $(COLLECTOR) CGO_ENABLED=0 GOOS=linux go build -trimpath -buildvcs=false \
	-tags nethttpomithttp2 $(COLD:%=-gcflags=%=-l)
# Functions begin at any byte instead of a multiple of 32, which takes 0.25 MB.
LDFLAGS := -s -w -funcalign=1 -X main.version=$(VERSION)
# podhook's own entry point (hooks/process/inherited), for some processors, records what
# Go's runtime forgets and hides the variables that it would obey.
export GOARCH ?= $(shell go env GOARCH)
ENTRY := $(if $(wildcard hooks/process/inherited/entry_$(GOARCH).s),-E podhook_start)

# Modules of tests: they have dependencies that podhook does not have. That of upstream is
# Kubernetes itself, which takes some minutes to build: make kubelet-client.
UPSTREAM := deploy/kubernetes/upstream
NESTED := $(filter-out $(UPSTREAM),$(patsubst %/go.mod,%,$(wildcard deploy/*/*/go.mod)))

.DEFAULT_GOAL := help
.PHONY: help build $(BIN)/podhook $(BIN)/NOTICES $(BIN)/kubectl-podhook image release e2e demo check test fuzz attack model monitoring scale kubelet-client lint size bench bench-check bench-results profile lost-requests man notices clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: $(BIN)/podhook $(BIN)/kubectl-podhook ## build bin/podhook and bin/kubectl-podhook, static for linux

# Always built: Go finds out what has changed.
$(BIN)/podhook:
	@echo "go build $@"
	@$(BUILD) -ldflags '$(LDFLAGS) $(ENTRY)' -o $@ ./cmd/podhook

$(BIN)/kubectl-podhook:
	@echo "go build $@"
	@$(BUILD) -ldflags '$(LDFLAGS)' -o $@ ./cmd/kubectl-podhook

image: ## build the image $(IMAGE) with the Dockerfile
	docker build -t $(IMAGE) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) .

demo: build ## rehearse the life of a container: no root, no Docker
	deploy/demo/run

release: ## archives, SBOMs and SHA256SUMS into dist/; RELEASE_KEY=FILE signs them
	deploy/release/build $(VERSION)

e2e: ## test the image on the container engine
	deploy/docker/base-image
	deploy/docker/prove-image
	go test -tags e2e -timeout 20m -parallel 6 -count=1 ./deploy/e2e
	go run ./deploy/e2e/lostrequests -cycles $(CYCLES_IN_E2E) -withdrawals 500ms,3s

lost-requests: ## count the requests lost in CYCLES=30 stops of each way
	deploy/docker/base-image
	$(MAKE) image IMAGE=podhook-e2e
	mkdir -p $(RESULTS)
	go run ./deploy/e2e/lostrequests -cycles $(CYCLES) -o $(RESULTS)/lost-requests.json
	cd deploy/e2e/chart && go run . $(CURDIR)/$(RESULTS)/lost-requests.json $(CURDIR)/$(RESULTS)/lost-requests.png

check: build ## what to run before each commit: under 90 s, no root, no Docker
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	$(GOTESTSUM) --hide-summary skipped -- -short -shuffle=on ./...

test: build ## run every test under the race detector, in random order
	@[ -n "$(RACE)" ] || echo "no C compiler: the race detector is left out (Debian: apt-get install gcc libc6-dev)"
	$(GOTESTSUM) -- $(RACE) -shuffle=on -timeout 20m ./...
	@# -count=1: Go does not see changes of files outside a module.
	@for dir in $(NESTED); do echo "cd $$dir && go test ./..."; \
		(cd $$dir && $(GOTESTSUM) -- -count=1 -shuffle=on ./...) || exit; done

fuzz: ## run every fuzz target for FUZZ_TIME=60s
	@grep -rn --include='*_test.go' -o '^func Fuzz[A-Za-z]*' hooks agent cmd | while IFS=: read -r file _ target; do \
		echo "$${target#func } in $$(dirname "$$file")"; \
		go test -run '^$$' -fuzz "^$${target#func }$$" -fuzztime $(FUZZ_TIME) -fuzzminimizetime 10x "./$$(dirname "$$file")" || exit; done

attack: ## attack an agent with 2,000 connections, print its answers to kubelet and its memory
	go test -count=1 -timeout 10m -run 'TestAttack$$' -v ./cmd/podhook

model: ## call and kill podhook at random for MODEL_TIME=60s, and check its contract
	MODEL_TIME=$(MODEL_TIME) go test -count=1 -timeout 0 -run 'TestModel|TestViolations' ./cmd/podhook

monitoring: ## a Prometheus with a small fleet, some of it failing, for MONITORING_TIME=60s; print the alerts
	MONITORING_TIME=$(MONITORING_TIME) MONITORING_PICTURE=$(abspath $(MONITORING_PICTURE)) go test -count=1 -timeout 0 -run 'TestFleet$$' -v ./deploy/monitoring

scale: ## measure SCALE_AGENTS=500 agents and a Prometheus in two minutes; print the table of scale.md
	SCALE_AGENTS=$(SCALE_AGENTS) go test -count=1 -timeout 10m -run 'TestScale$$' -v ./deploy/monitoring

kubelet-client: ## kubelet's own code calls the agent, and the API server's checks the policies
	cd $(UPSTREAM) && go vet ./... && go test -count=1 -timeout 20m ./...

lint: ## gofmt, go vet, staticcheck, govulncheck, shellcheck
	@command -v shellcheck >/dev/null || { echo "make lint needs shellcheck (Debian: apt-get install shellcheck)"; exit 1; }
	@unformatted=$$(gofmt -l .); if [ -n "$$unformatted" ]; then \
		echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go vet -tags e2e ./deploy/e2e
	@for dir in $(NESTED); do echo "cd $$dir && go vet ./..."; (cd $$dir && go vet ./...) || exit; done
	go run $(STATICCHECK) ./...
	.ci/vulncheck ./...
	.ci/shellcheck

size: build ## print the bytes of bin/podhook, fail over the budget
	@bytes=$$(stat -c %s bin/podhook); \
	echo "bin/podhook: $$bytes bytes, budget $(SIZE_BUDGET)"; \
	if [ "$$bytes" -gt $(SIZE_BUDGET) ]; then \
		echo "over the budget by $$((bytes - $(SIZE_BUDGET))) bytes"; exit 1; fi

bench: build ## measure what podhook costs, beside tini, dumb-init, catatonit and small Go programs
	go run ./cmd/bench

bench-check: build ## fail if a count misses its goal, or a ratio is more than 5 times its goal
	go run ./cmd/bench -check -rounds 60

bench-results: build ## measure, and write the tables, the JSON and the picture of cmd/bench
	go run ./cmd/bench -json cmd/bench/results.json
	go test -count=1 -run 'TestTables$$' ./cmd/bench -update
	cd deploy/e2e/chart && go run . $(CURDIR)/cmd/bench/results.json $(CURDIR)/cmd/bench/results.png

profile: build ## show what the costs are made of: instructions, system calls, initialisation, memory
	cmd/bench/profile

man: $(BIN)/podhook ## write the manual page to bin/podhook.1
	$(BIN)/podhook man >$(BIN)/podhook.1

notices: $(BIN)/NOTICES ## write the licences of everything in the binary to bin/NOTICES

$(BIN)/NOTICES:
	@mkdir -p $(BIN)
	deploy/release/notices podhook >$@.tmp && mv $@.tmp $@

clean: ## remove what the other targets build
	rm -rf bin dist coverage.out
