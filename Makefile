# portico. The two that matter: make run, make test.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo 0.1.0-dev)
LDFLAGS  = -s -w -X github.com/porticod/portico/pkg/cli.Version=$(VERSION)
CONFIG  ?= config.hcl
FUZZTIME ?= 1m
SOAK    ?= 1h

# What writes AVIF stays out of builds without this tag, because it would link them
# dynamically; see pkg/picture/avifenc.
export GOFLAGS := -tags=nodynamic $(GOFLAGS)

.PHONY: run build test setup lint unit package release vuln generate fuzz crash soak attack systemd nodes bench bench-short bench-code clean

# Build the one binary and start it.
run: build
	./bin/portico run $(CONFIG)

# Static: without cgo it runs on any Linux of the architecture.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/portico ./cmd/portico

# Everything that has to be good before a change is.
test: setup lint unit

# The Debian packages that tests need, those that are missing, in one step.
setup:
	test/setup

lint:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOOS=darwin CGO_ENABLED=0 $(GO) vet ./...
	$(GO) tool staticcheck ./...

# With the race detector; scripts against the real binary are among the tests.
unit:
	$(GO) run ./internal/testrun -race -shuffle=on -timeout=12m ./...

# dist/portico_*.deb and dist/portico-*.rpm, the same bytes for the same commit.
package:
	packaging/build dist

# Everything that a release is, for amd64 and arm64, in dist.
release:
	packaging/release dist

# Known holes in what is linked. It asks vuln.go.dev, or GOVULNDB.
vuln:
	packaging/vuln

# Files that are made from the code; a test fails when they are stale.
generate:
	$(GO) run ./internal/configdoc
	$(GO) run ./internal/supply licences

# Every fuzz target in turn: make fuzz FUZZTIME=10m
fuzz:
	test/fuzz $(FUZZTIME)

# The chat, killed 200 times amid its work, and photos 100 times; make test does
# it a few times.
crash:
	PORTICO_TEST_CHAT_KILLS=200 $(GO) test -count=1 -v -run=TestCrash ./test/chat
	PORTICO_TEST_PHOTOS_KILLS=100 $(GO) test -count=1 -v -run='^TestCrash$$' ./services/photos

# Everything at once for a while, and the table of docs/reliability.md.
soak:
	$(GO) test -count=1 -v -timeout=24h ./test/soak -soak=$(SOAK) -page=$(CURDIR)/docs/reliability.md

# Ten thousand idle and two thousand slow connections, what they cost, and the table
# of docs/reliability.md: five minutes on a quiet machine.
attack:
	$(GO) test -count=1 -v -timeout=1h -run=TestAttack ./test/attack -attack=20s -page=$(CURDIR)/docs/reliability.md

# Reloads, restarts, kills and upgrades under load in a real systemd, as often as
# before a release, and the table of docs/reliability.md. It wants root, and a
# machine that has nothing else to do.
systemd:
	PORTICO_TEST_LONG=1 $(GO) test -count=1 -v -timeout=2h -run=TestNothingRefusedNothingLost ./test/systemd -page=$(CURDIR)/docs/reliability.md

# Everything that several nodes share, and the nodes, break one after another, ten
# times each, under load, and the table of docs/reliability.md. It wants root.
nodes:
	$(GO) test -count=1 -v -timeout=2h ./test/nodes -nodes=10 -page=$(CURDIR)/docs/reliability.md

# The tables and plots of docs/performance.md and docs/scale.md, beside peers, on a
# quiet machine: at most 40 minutes.
bench:
	$(GO) run ./bench -out docs/performance.md

# The same in under five minutes, in bin/bench.
bench-short:
	mkdir -p bin/bench
	cp -R docs/performance.md docs/scale.md docs/plots bin/bench
	$(GO) run ./bench -short -out bin/bench/performance.md

# Go's own benchmarks, of packages.
bench-code:
	$(GO) test -run='^$$' -bench=. -benchmem ./...

clean:
	rm -rf bin dist
