# What a contributor runs. `make` alone lists the targets.

GO       ?= go
FUZZTIME ?= 30s
BENCH    ?= .

GOLANGCI_VERSION := v2.14.0
GOLANGCI := .cache/bin/golangci-lint-$(GOLANGCI_VERSION)

# Debian keeps mosquitto and haproxy in sbin, which a user's PATH may lack.
export PATH := $(PATH):/usr/sbin:/sbin
export GOTOOLCHAIN ?= local

.PHONY: help run test peers services kubernetes lint check dashboard upgrade faults fuzz bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-9s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the broker with its built-in defaults
	$(GO) run ./cmd/dunlin

test: peers ## vet and test everything; on Debian as root, install the real clients it needs first
	$(GO) vet ./...
	$(GO) test -timeout 20m ./...

peers: ## see which real clients and servers the tests have, and install the missing ones where that is possible
	scripts/setup-debian.sh
	scripts/peers.sh

services: peers ## get the real servers the tests have, and start each one
	$(GO) test -count=1 -v ./internal/peers

kubernetes: peers ## build a real kube-apiserver, in some minutes, and test discovery against it
	scripts/kube-apiserver.sh
	DUNLIN_REQUIRE_KUBE=1 $(GO) test -count=1 -v ./discovery/k8s

lint: $(GOLANGCI) ## run golangci-lint at its pinned version
	$(GOLANGCI) run ./...

check: ## formatting, go.mod and generated files are current
	scripts/check-current.sh

dashboard: ## check, test and build the dashboard's app; needs Node 20 or newer
	cd dashboard/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent check && npm run --silent test && npm run --silent build

faults: ## break what lies between nodes, and nodes, while clients use them: ROUNDS=5 has 50 kills
	DUNLIN_FAULT_ROUNDS=$(or $(ROUNDS),1) go test -count=1 -v -timeout 60m -run '^Test(Splits|Roam|Node(Dies|Hangs|sMove|sKilled))$$' ./internal/clustertest

upgrade: ## upgrade a cluster of OLD, a commit, to this version while clients use it
	scripts/upgrade.sh $(OLD)

fuzz: ## fuzz every target of the module for FUZZTIME each
	scripts/fuzz.sh $(FUZZTIME)

bench: ## run the Go benchmarks matching BENCH
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem ./...
	@echo 'Side by side with Mosquitto, over real sockets: bench/compare.sh'

clean: ## remove what was built or fetched; data/ and log/ are yours and stay
	rm -rf .cache bin dunlin testenv/node/node_modules dashboard/web/node_modules

# Built once from the Go module proxy and kept by version, so a fresh machine and a developer run the same linter.
$(GOLANGCI):
	mkdir -p $(@D)
	GOBIN=$(CURDIR)/.cache/install $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_VERSION)
	mv .cache/install/golangci-lint $@
