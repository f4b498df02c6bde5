# `make` lists the targets. Tools run at the versions pinned under tools/.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
# A go.work above this folder would refuse the tools' own module files.
export GOWORK := off

BUF           := go tool -modfile=tools/go.mod buf
# One set of flags, so that nothing is compiled twice; cmd/dev builds the server with it.
BUILD         := CGO_ENABLED=0 go build -trimpath
GOLANGCI_LINT := go tool -modfile=tools/lint/go.mod golangci-lint
VALIDATE      := .build/protovalidate/buf/validate/validate.proto
DETAILS       := .build/details/google/rpc/error_details.proto
NODE_MODULES  := tools/node_modules/.package-lock.json

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## the whole stack on this machine: PostgreSQL, sandbox, server; Ctrl-C stops it
	@echo 'building; the first time this takes minutes'
	@$(BUILD) -o bin/dev ./cmd/dev && exec bin/dev

.PHONY: test
test: ## all tests, with the race detector, on a private PostgreSQL
	@tools/need-postgres
	@tools/need-pgbouncer
	go test -race -shuffle=on -timeout 60m $(TESTFLAGS) ./...

.PHONY: check
check: check-words check-generated check-proto check-go check-vulnerabilities ## everything a push must pass, except the tests

.PHONY: bench
bench: ## what a call costs, against two floors measured in the same run
	@tools/need-postgres
	go run ./bench

.PHONY: generate
generate: $(VALIDATE) $(DETAILS) $(NODE_MODULES) ## regenerate gen/ from proto/
	@rm -rf .build/gen
	$(BUF) generate proto -o .build
	$(BUF) build proto -o .build/gen/teamtask.binpb
	@rm -rf gen && mv .build/gen gen

.PHONY: fmt
fmt: $(VALIDATE) $(DETAILS) ## format Go and proto files
	$(BUF) format -w proto
	$(GOLANGCI_LINT) fmt

.PHONY: build
build: ## build the commands into bin/
	$(BUILD) -o bin/ ./cmd/...

.PHONY: reset
reset: ## forget .dev/, the data of `make run`
	@go run ./cmd/dev reset

# The parts of check; each can be run alone.

.PHONY: check-words
check-words:
	@tools/check-words

.PHONY: check-generated
check-generated: generate
	@tools/check-generated

.PHONY: check-proto
check-proto: $(VALIDATE) $(DETAILS)
	$(BUF) lint
	$(BUF) format --diff --exit-code proto
	@tools/check-breaking

.PHONY: check-go
check-go:
	@tools/check-modules
	go vet ./...
	$(GOLANGCI_LINT) run

.PHONY: check-vulnerabilities
check-vulnerabilities:
	@tools/check-vulnerabilities

# What the generators need, fetched once for each pinned version.

$(VALIDATE): tools/proto/go.mod tools/proto/go.sum
	@tools/fetch-validate $@

$(DETAILS): tools/details.go go.mod
	@mkdir -p $(@D)
	@go run tools/details.go >$@

$(NODE_MODULES): tools/package.json tools/package-lock.json tools/.npmrc
	npm ci --prefix tools
	@touch $@
