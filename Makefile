# make run and make test need Go, git, make and a C compiler. What else they need, they install or build.

BUILD    := build
PLUGINS  := $(notdir $(wildcard plugins/examples/*))
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS  := -X main.version=$(VERSION)
FUZZTIME ?= 30s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: run
run: build plugins ## try it: lines typed are messages, replies are printed
	@$(BUILD)/sgstreamd dev

.PHONY: build
build: ## build the daemon: build/sgstreamd
	@go build -ldflags '$(LDFLAGS)' -o $(BUILD)/sgstreamd ./cmd/sgstreamd

.PHONY: plugins
plugins: build $(PLUGINS:%=$(BUILD)/plugins/%.wasm) ## build every example plugin: build/plugins/NAME.wasm

# Nobody who wants to try it should need five compilers; make test, bench and proof install them, and then want every plugin.
SKIP := --skip-missing
test bench proof: SKIP :=

# What a plugin is made of: its own folder, the SDKs, and how it is built.
SDKS := $(shell find abi plugins/sdk internal/toolchain -type f -not -path '*/node_modules/*' -not -path '*/target/*' -not -name '*_test.go')

.SECONDEXPANSION:
$(BUILD)/plugins/%.wasm: $$(shell find plugins/examples/$$* -type f -not -path '*/node_modules/*' -not -path '*/target/*' -not -name '*_test.go') $(SDKS) | build
	@$(BUILD)/sgstreamd plugin build plugins/examples/$* $(SKIP) -o $@ >/dev/null

# What is built is committed, so that building the daemon takes no C compiler for WebAssembly.
GUEST ?= internal/verify/guest/guest.wasm

.PHONY: guest
guest: ## build the plugin of sgstreamd verify anew; takes clang and lld
	@clang --target=wasm32 -mbulk-memory -Os -Wall -Wextra -Werror -ffreestanding -nostdlib \
	  -Wl,--no-entry -Wl,--strip-all -Wl,-z,stack-size=4096 -o $(GUEST) internal/verify/guest/guest.c

# The packages that build guests and run them, one call at a time: the race detector would find nothing in these, and
# makes the compiling of a large module take a minute.
GUESTS := /plugins/|/internal/(bench|conformance|fixture|scaffold|toolchain)$$

.PHONY: test
test: packages lint build plugins ## run everything: linters, the race detector, a real Redis, other languages' clients
	go test -race -timeout 9m $$(go list ./... | grep -Ev '$(GUESTS)')
	go test -timeout 5m $$(go list ./... | grep -E '$(GUESTS)')

.PHONY: lint
lint: tools ## vet, staticcheck, gofmt, and the import direction
	@test -z "$$(gofmt -l .)" || { echo 'not gofmt-ed:'; gofmt -l .; exit 1; }
	go vet ./...
	$(BUILD)/tools/staticcheck ./...
	GOOS=wasip1 GOARCH=wasm $(BUILD)/tools/staticcheck -tests=false -checks 'SA*' ./plugins/...
	$(BUILD)/tools/depguard ./...

# The linters are pinned in a module of their own, so that the daemon's go.mod lists what the daemon needs.
.PHONY: tools
tools:
	@cd tools && go build -o ../$(BUILD)/tools/ tool

.PHONY: fuzz
fuzz: ## fuzz every parser and the ABI boundary, FUZZTIME each
	@go list ./... | while read -r pkg; do \
	  go test -list '^Fuzz' "$$pkg" | grep '^Fuzz' | while read -r f; do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) "$$pkg" || exit 1; \
	  done || exit 1; \
	done

# The whole way with an example in C, where the plugin is hardly felt, and in Go; and every part alone.
MESSAGES  ?= 200000
REPEAT    ?= 5
BENCHTIME ?= 1s
E2E        = $(BUILD)/sgstreamd bench --redis own --messages $(MESSAGES) --repeat $(REPEAT) --set inbound.max_in_flight=768 --json
PLAIN     := --set inbound.order=none --set inbound.lock.enabled=false --set inbound.trace.enabled=false

.PHONY: bench
bench: packages build plugins ## run every benchmark, and write the table of docs/performance.md
	@mkdir -p $(BUILD)/bench
	$(E2E) --plugin $(BUILD)/plugins/echo-c.wasm $(PLAIN) >$(BUILD)/bench/plain.json
	$(E2E) --plugin $(BUILD)/plugins/echo-c.wasm >$(BUILD)/bench/full.json
	$(E2E) --plugin $(BUILD)/plugins/echo.wasm >$(BUILD)/bench/go.json
	go test -run '^$$' -bench . -benchmem -benchtime $(BENCHTIME) -timeout 30m $$(grep -rl '^func Benchmark' --include '*_test.go' . | xargs -n 1 dirname | sort -u) | tee $(BUILD)/bench/go-test.txt
	go run ./internal/benchtable docs/performance.md $(BUILD)/bench/go-test.txt $(BUILD)/bench/plain.json $(BUILD)/bench/full.json $(BUILD)/bench/go.json
	@echo 'the table of docs/performance.md is new'

# Each figure that docs/performance.md says the daemon keeps to. The memory's takes as long as all those messages.
PROOF          ?= calls,start,idle,memory
PROOF_MESSAGES ?= 10000000

.PHONY: proof
proof: packages build plugins ## measure what docs/performance.md promises, and say what is missed
	@$(BUILD)/sgstreamd plugin build plugins/testdata/ask -o $(BUILD)/proof/ask.wasm >/dev/null
	go run ./internal/proof -only "$(PROOF)" -messages $(PROOF_MESSAGES) $(BUILD)/sgstreamd $(BUILD)/plugins $(BUILD)/proof/ask.wasm

.PHONY: clean
clean: ## remove what was built
	rm -rf $(BUILD)

.PHONY: packages
packages:
	@tools/packages
