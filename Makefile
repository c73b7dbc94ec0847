# "make help" lists the targets. Go alone builds Stoa: this file only saves
# typing.
.DEFAULT_GOAL := help
GO ?= go
ARGS ?=

.PHONY: help
help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/stoa, one file without C libraries
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/stoa ./cmd/stoa

.PHONY: run
run: ## build and serve the folder ./home on port 8080 (ARGS= more arguments)
	$(GO) run ./cmd/stoa serve --home home $(ARGS)

.PHONY: test
test: bin/testrun ## install and start what the tests need, run all of them (ARGS="-tier unit -pkg ./db/... -run Name")
	@exec bin/testrun $(ARGS)

.PHONY: quick
quick: bin/testrun ## like test, without the race detector and without a browser
	@exec bin/testrun -no-race -tier vet,unit $(ARGS)

.PHONY: services
services: bin/testrun ## start PostgreSQL and MariaDB for tests run by hand, print their addresses, wait for Ctrl-C
	@exec bin/testrun $(ARGS) services

.PHONY: mutants
mutants: bin/testrun ## plant each mistake of tools/mutants in turn: the tests must catch it (MUTANTS="name ...", LAB=1 as root: the lab, too)
	@exec bin/testrun -tier mutant -mutants "$(or $(MUTANTS),all)" $(if $(LAB),-lab) -deadline 0 $(ARGS)

.PHONY: editor
editor: ## build the rich-text editor from its lock file into look/assets/vendor (wants Node and npm)
	cd tools/editor && npm ci --ignore-scripts && npm run build

.PHONY: notices
notices: bin/notices ## write cmd/stoa/notices.txt, the licences of all that goes into the program, after go.mod changed
	@exec bin/notices

.PHONY: worlds
worlds: ## simulate SEEDS (10000) whole clusters; SEED=n replays one and tells what happens in it
	$(GO) test $(if $(SEED),-v) -count=1 -timeout 0 -run TestWorld_Keeps ./cluster/simtest -args -seeds=$(or $(SEEDS),10000) $(if $(SEED),-seed=$(SEED))

.PHONY: lint
lint: ## formatting, go vet, staticcheck, and the rules of the house (ARGS="-turns all": also what has its day of a week)
	@$(MAKE) --no-print-directory test ARGS="-tier vet $(ARGS)"
	$(GO) test -count=1 .

.PHONY: lab
lab: bin/testrun ## as root: the stories of server/labtest, real processes and faults (ARGS="-run Stories/postgres/freeze")
	@exec bin/testrun -tier lab $(ARGS)

.PHONY: lab-all
lab-all: bin/testrun ## as root, before a release: like lab, with all stories that have their day of a week
	@exec bin/testrun -tier lab -turns all -deadline 0 $(ARGS)

SOAK ?= 30m
.PHONY: soak
soak: ## as root: random faults for SOAK (30m) under the eyes of the checker (ARGS="-engines postgres -seed 7")
	@$(GO) test -count=1 -timeout 0 -run '^TestSoak$$' -v ./server/labtest -args -soak $(SOAK) $(ARGS)

# Each fuzz target runs by itself: Go fuzzes one at a time.
FUZZTIME ?= 30s
.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZTIME (30s) each
	@grep -rlE '^func Fuzz' --include='*_test.go' . | while read -r f; do \
	  for t in $$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' $$f); do \
	    echo "== $$(dirname $$f) $$t"; \
	    $(GO) test -run '^$$' -fuzz "^$$t\$$" -fuzztime $(FUZZTIME) $$(dirname $$f) || exit 1; \
	  done; done

# Wants wrk and nginx in the path, or STOA_BENCH_WRK and STOA_BENCH_NGINX; goes without what is missing.
.PHONY: bench
bench: bin/bench ## measure a built stoa against nginx and net/http, write docs/benchmarks.md (ARGS='-note "2 shared cores"')
	@exec bin/bench -out docs/benchmarks.md $(ARGS)

# Starts PostgreSQL and MariaDB of its own. Wants haproxy, wrk, a JDK and jgroups.jar (Debian: libjgroups-java); says what it left out.
.PHONY: bench-cluster
bench-cluster: bin/bench bin/testrun ## measure three nodes, against JGroups where there is one, write docs/benchmarks-cluster.md (ARGS="-only hints,calls -rounds 3")
	@exec bin/bench cluster -out docs/benchmarks-cluster.md $(ARGS)

# Starts PostgreSQL and MariaDB of its own. Wants psql; says what it left out.
.PHONY: bench-db
bench-db: bin/bench bin/testrun ## measure reads, saves, editors, fail-over, copy and backup against the drivers and psql, write docs/benchmarks-database.md (ARGS="-rows 1000000 -files 10000")
	@exec bin/bench database -out docs/benchmarks-database.md $(ARGS)

# Starts PostgreSQL and MariaDB of its own. Wants wrk and nginx; S3 when STOA_TEST_S3 and STOA_BENCH_BUCKET name one.
.PHONY: bench-files
bench-files: bin/bench bin/testrun ## measure file stores and the disk cache in front of them against nginx, write docs/benchmarks-files.md (ARGS="-size 100")
	@exec bin/bench files -out docs/benchmarks-files.md $(ARGS)

# Starts PostgreSQL and MariaDB of its own. A million articles take an hour and 15 GB for each; fewer: ARGS="-articles 200000".
.PHONY: scale
scale: bin/bench bin/testrun ## measure whether a portal of 1,000,000 articles is as fast as one of 1,000, write docs/benchmarks.md (ARGS="-articles 50000 -engines PostgreSQL")
	@exec bin/bench scale -out docs/benchmarks.md $(ARGS)

.PHONY: release
release: bin/release ## build programs, packages, SBOMs and checksums into dist (VERSION=0.1.0; without, that of the tag)
	@exec bin/release -version "$(VERSION)" $(ARGS)

.PHONY: docs
docs: ## write docs/properties.md from the table of properties
	$(GO) run ./cmd/stoa config docs

.PHONY: clean
clean: ## remove what was built
	rm -rf bin dist

.PHONY: tidy
tidy: ## bring go.mod and go.sum of both modules up to date, after an import changed
	$(GO) mod tidy
	cd tools && $(GO) mod tidy

# Always asked of Go, which knows better than file dates whether they are current. The tools are a module of their own.
.PHONY: bin/testrun bin/bench bin/notices bin/release
bin/testrun bin/bench bin/notices bin/release:
	@$(GO) build -C tools -buildvcs=false -o ../$@ ./$(@F)
