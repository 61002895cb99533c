# On a machine with Go and nothing else, `make run` and `make test` work.

MODULES       := events services
EXAMPLES      := events/examples/subscriber
KUBERNETES    := deploy/kubernetes/check
LINT_VERSION  := v2.15.0
VULN_VERSION  := v1.9.0
SBOM_VERSION  := v1.10.0
AXE_VERSION   := 4.14.1
MCP_VERSION   := 0.2.0-alpha.12
NODE_VERSION  := 22.20.0
GRAFANA_VERSION := 13.2.3
VERSION       ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

BIN           := $(CURDIR)/bin
GOLANGCI_LINT := $(BIN)/golangci-lint-$(LINT_VERSION)
GOVULNCHECK   := $(BIN)/govulncheck-$(VULN_VERSION)
CYCLONEDX     := $(BIN)/cyclonedx-gomod-$(SBOM_VERSION)
AXE           := $(BIN)/axe-core-$(AXE_VERSION)/node_modules/axe-core/axe.min.js
CONFORMANCE   := $(BIN)/conformance-$(MCP_VERSION)/node_modules/.bin
GRAFANA       := $(BIN)/grafana-$(GRAFANA_VERSION)/node_modules
LDFLAGS       := -s -w -X github.com/authwatch/authwatch/services/internal/process.version=$(VERSION)

STACK_TEST    := go test -count=1 -timeout 50m -tags stack -v ./services/e2e/stack

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## watch a token die and come back: a whole authwatch in one process
	go run ./services/cmd/authwatch demo $(ARGS)

.PHONY: test
test: ## every test, in its short form
	go test -count=1 work # some read files of other modules, which the test cache does not see

.PHONY: truth
truth: ## the corpus of histories: precision, recall and delay, beside two simple rules
	@out=$$(go test -count=1 -run TestTheCorpus -v ./services/proxy 2>&1); code=$$?; \
		printf '%s\n' "$$out" | grep -v -e '^=== ' -e '^ *--- PASS'; exit $$code

.PHONY: race
race: ## every test under the race detector
	go test -race work

.PHONY: page-test
page-test: $(AXE) ## the page in a real browser; needs chromium and npm
	AXE_JS=$(AXE) go test -count=1 -tags page ./services/status/page
	go test -count=1 -tags page -run InABrowser ./services/proxy

$(AXE):
	npm install --silent --no-audit --no-fund --no-save --prefix $(BIN)/axe-core-$(AXE_VERSION) axe-core@$(AXE_VERSION)

.PHONY: peer-test
peer-test: ## receivers against the real thing; needs prometheus-alertmanager
	go test -count=1 -tags peer -run Real ./services/notifier/receiver

.PHONY: monitoring-test
monitoring-test: $(GRAFANA)/@grafana ## alerts and dashboard, with a real Prometheus; needs prometheus and npm
	promtool check config deploy/prometheus/prometheus.yml
	promtool test rules deploy/prometheus/*_test.yml
	node .ci/check-dashboard.mjs $(GRAFANA)
	go test -count=1 -tags monitoring -run 'Prometheus|Compose' ./services/e2e

$(GRAFANA)/@grafana: # the types of its dashboards, and what turns them into a schema
	npm install --loglevel=error --no-audit --no-fund --no-save --prefix $(BIN)/grafana-$(GRAFANA_VERSION) \
		@grafana/schema@$(GRAFANA_VERSION) ts-json-schema-generator@2.4.0 ajv@8.20.0

.PHONY: conformance-test
conformance-test: $(CONFORMANCE)/conformance ## the MCP conformance suite, through the proxy; needs npm
	CONFORMANCE=$(CONFORMANCE) go test -count=1 -timeout 7m -tags conformance -v ./services/proxy/conformance

$(CONFORMANCE)/conformance: # with the Node.js it needs, which is newer than many machines have
	npm install --loglevel=error --no-audit --no-fund --no-save --prefix $(BIN)/conformance-$(MCP_VERSION) \
		@modelcontextprotocol/conformance@$(MCP_VERSION) node@$(NODE_VERSION)

.PHONY: images
images: ## container images of every program; needs Docker
	VERSION=$(VERSION) docker compose --profile demo build

.PHONY: stack-test
stack-test: ## the compose stack as it ships; needs Docker, or root on Debian
	@if docker version >/dev/null 2>&1; then $(STACK_TEST); else .ci/stack $(STACK_TEST); fi

.PHONY: kubernetes-test
kubernetes-test: $(GOLANGCI_LINT) ## the manifests: what the API server says, and run without a cluster
	cd $(KUBERNETES) && GOWORK=off $(GOLANGCI_LINT) run ./... && GOWORK=off go test -count=1 ./...

.PHONY: soak
soak: ## every test, in its long form
	SOAK=1 go test -count=1 -timeout 25m work

.PHONY: bench
bench: ## benchmarks
	go test -run '^$$' -bench . -benchmem work

.PHONY: build
build: ## static binaries in bin/
	CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o $(BIN)/ ./services/cmd/...

.PHONY: reproducible
reproducible: ## build twice, in different folders: the bytes are the same
	@.ci/check-reproducible

.PHONY: sbom
sbom: build $(CYCLONEDX) ## what is in each binary, as CycloneDX: bin/*.cdx.json
	@.ci/sbom $(CYCLONEDX) $(VERSION) $(addprefix $(BIN)/,authwatch proxy status notifier)

.PHONY: check
check: vet lint tidy standalone links exported generated check-rules vulnerabilities ## everything that needs no running program

.PHONY: vet
vet:
	go vet work

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, module by module
	@for m in $(MODULES); do echo "lint $$m"; (cd $$m && $(GOLANGCI_LINT) run ./...) || exit 1; done

.PHONY: tidy
tidy:
	@for m in $(MODULES) $(EXAMPLES) $(KUBERNETES) .ci/exported; do echo "tidy $$m"; (cd $$m && GOWORK=off go mod tidy -diff) || exit 1; done

.PHONY: standalone
standalone: # each module builds without the workspace, as a subscriber's build sees it
	@for m in $(MODULES) $(EXAMPLES); do echo "build $$m alone"; (cd $$m && GOWORK=off go build -o /dev/null ./...) || exit 1; done

.PHONY: links
links:
	@.ci/check-links

.PHONY: exported
exported: # nothing is exported that no other package names; the check is proven first
	@GOWORK=off go test -C .ci/exported .
	@GOWORK=off go build -C .ci/exported -o $(BIN)/exported . && $(BIN)/exported -tags conformance,monitoring,page,peer,stack,truth \
		-public github.com/authwatch/authwatch/events ./events/... ./services/...

.PHONY: generated
generated:
	@.ci/check-generated $(MODULES)

.PHONY: check-rules
check-rules: $(GOLANGCI_LINT) ## prove that each import rule fires
	@.ci/check-rules $(GOLANGCI_LINT)

.PHONY: vulnerabilities
vulnerabilities: $(GOVULNCHECK)
	@.ci/check-vulnerabilities $(GOVULNCHECK) $(MODULES)

.PHONY: clean
clean: ## remove what make made
	rm -rf $(BIN)

$(GOLANGCI_LINT):
	GOWORK=off GOBIN=$(BIN) go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	@mv $(BIN)/golangci-lint $@

$(GOVULNCHECK):
	GOWORK=off GOBIN=$(BIN) go install golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION)
	@mv $(BIN)/govulncheck $@

$(CYCLONEDX):
	GOWORK=off GOBIN=$(BIN) go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$(SBOM_VERSION)
	@mv $(BIN)/cyclonedx-gomod $@
