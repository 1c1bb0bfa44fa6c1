# Two commands set everything up on a fresh machine: `make demo` (the main job) and `make test`.

PYTHON ?= python3
VENV := .venv
BENCH := .bench-venv
BENCH_ADAPT := .bench-adapt-venv
BENCH_LOADER := .bench-loader-venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
ENGINE := $(shell find native/engine -name '*.cpp' | LC_ALL=C sort)
HEADERS := $(shell find native/engine -name '*.hpp' -o -name '*.inc')
SOURCES := pyproject.toml constraints.txt CMakeLists.txt native/bindings.cpp $(wildcard native/bindings/*) $(ENGINE) $(HEADERS)
# An editable install knows each module by its place: where one comes, goes or moves, it must be made again.
MODULES := $(VENV)/modules-$(firstword $(shell find corpuskit -name '*.py' | LC_ALL=C sort | cksum))

# pip says nothing while it compiles, and with -v too much: of that, the steps of the compiler are shown.
watched = { PIP_CONSTRAINT=constraints.txt $(PIP) install -v -c constraints.txt $(1); echo "exit $$?"; } 2>&1 \
  | tee build/install.log | awk '/^ *\[[0-9]+\/[0-9]+\] / {sub(/CMakeFiles\/.*dir\//, ""); print; fflush()} \
  /^exit / {code = $$2} END {exit code}' || { tail -n 40 build/install.log; exit 1; }

.SECONDARY:
.PHONY: install install-dev demo test test-slow check sanitize mutate fuzz format bench bench-install bench-install-gguf clean help

help:
	@echo "make demo           documents, tokenizer, shards and a small model from sample_corpora/, in minutes"
	@echo "make test           every test but the slow ones (make test-slow runs those)"
	@echo "make check          style, types, and the native engine under sanitizers"
	@echo "make fuzz           libFuzzer on the wikitext extractor, the template engines, and what reads dumps; needs clang"
	@echo "make mutate         random changes of the fuzzer's seeds under sanitizers, without clang"
	@echo "make bench          the benchmarks, quick; needs make bench-install first"
	@echo "make install        the package with pinned dependencies in $(VENV)/"

install: $(VENV)/installed
install-dev: $(VENV)/installed-dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)

# torch comes first and by its pinned version, so that nothing else chooses a build of it.
$(MODULES): | $(BIN)/python
	@rm -f $(VENV)/modules-*
	@touch $@

$(VENV)/installed: $(SOURCES) $(MODULES) | $(BIN)/python
	@command -v c++ >/dev/null || command -v g++ >/dev/null || command -v clang++ >/dev/null || { \
	  echo "A C++20 compiler is needed to build corpuskit's engine and none was found."; \
	  echo "Debian, Ubuntu: apt-get install g++    Fedora: dnf install gcc-c++    macOS: xcode-select --install"; \
	  exit 1; }
	@echo "== installing pinned packages into $(VENV)/"
	$(PIP) install -c constraints.txt torch==2.13.0
	@echo "== compiling the engine: $(words $(ENGINE)) files of C++, two to five minutes; all that is said: build/install.log"
	@mkdir -p build
	@$(call watched,-e .)
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	@echo "== installing what tests and checks need"
	@mkdir -p build
	@$(call watched,-e '.[dev]')
	@touch $@

demo: $(VENV)/installed
	@echo "== 1. documents, tokenizer and shards from sample_corpora/"
	$(BIN)/corpuskit build pipelines/sample.yaml --out runs/sample
	@echo "== 2. what was read, dropped and kept"
	$(BIN)/corpuskit inspect runs/sample
	@echo "== 3. a small model, about a minute"
	$(BIN)/corpuskit train runs/sample --out models/sample --steps 1200 --overwrite
	@echo "== 4. what it writes"
	$(BIN)/corpuskit sample models/sample --prompt "The river" --tokens 120 --temperature 0.5 --seed 1
	@echo "== where everything lies"
	@echo "documents  runs/sample/documents/   (Parquet)      what was dropped  runs/sample/dropped/"
	@echo "tokenizer  runs/sample/tokenizer/tokenizer.json    tokens            runs/sample/shards/"
	@echo "account    runs/sample/ledger.json                 model             models/sample/"
	@echo "next: corpuskit trace runs/sample --shard train-00000 --token 12345   (in $(BIN)/)"

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m "not slow" -n 2 -q --durations=15 $(ARGS)

test-slow: $(VENV)/installed-dev
	$(BIN)/python -m pytest -m slow -q --timeout=1800 $(ARGS)

check: $(VENV)/installed-dev sanitize
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: $(VENV)/installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# The engine without Python, over its cases and real pages, under AddressSanitizer and UBSan: the extractor, templates
# that are expanded with what comes out extracted and measured, the bzip2 decoder, the reader of pages' XML, what finds
# near duplicates, what repairs, tidies and measures texts, what learns merges, the n-gram index, and what tells the
# blocks of books. Its files are compiled once.
REPLAYS = build/replay build/replay_expand build/replay_bz2 build/replay_page_xml build/replay_dedup build/replay_text \
  build/replay_bpe build/replay_ngrams build/replay_gutenberg
SANITIZE_CXX = $(or $(CXX),g++) -std=c++20 -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all \
  -ffp-contract=off -Inative
SANITIZE_OBJECTS = $(ENGINE:native/engine/%.cpp=build/sanitize/%.o)

sanitize:
	$(MAKE) -j2 $(REPLAYS)
	build/replay_bz2 $(wildcard native/fuzz/bz2/*)
	build/replay_page_xml $(wildcard native/fuzz/page_xml/*)
	build/replay_dedup tests/cases/wikitext.json sample_corpora/encyclopedia.xml $(wildcard sample_corpora/books/*/*.txt)
	build/replay_text $(wildcard native/fuzz/text/*)
	build/replay_bpe tests/cases/wikitext.json native/fuzz/text/not_utf8.bin $(wildcard sample_corpora/books/*/*.txt)
	build/replay_ngrams $(wildcard native/fuzz/text/*) sample_corpora/encyclopedia.xml
	build/replay_gutenberg $(wildcard native/fuzz/text/*) $(wildcard sample_corpora/books/*/*.txt) tests/cases/gutenberg_blocks.tsv
	build/replay_expand $(wildcard native/fuzz/corpus_expand/*)
	build/replay tests/cases/wikitext.json tests/cases/templates.json $(wildcard native/fuzz/corpus/*) sample_corpora/encyclopedia.xml

# Random changes of the same files, where there is no clang for libFuzzer: MUTATIONS of each target.
MUTATIONS ?= 20000
MUTATED = $(addprefix build/replay_,page_xml dedup text bpe ngrams gutenberg)

mutate:
	$(MAKE) -j2 $(MUTATED)
	for target in $(MUTATED); do CORPUSKIT_MUTATIONS=$(MUTATIONS) $$target native/fuzz/page_xml native/fuzz/text \
	  native/fuzz/corpus sample_corpora/encyclopedia.xml $(wildcard sample_corpora/books/*/*.txt) || exit 1; done

build/sanitize/%.o: native/engine/%.cpp $(HEADERS)
	@mkdir -p $(@D)
	$(SANITIZE_CXX) -c -o $@ $<

build/replay: native/fuzz/replay.cpp
build/replay_expand: native/fuzz/expand.cpp
build/replay_bz2: native/fuzz/replay_bz2.cpp
build/replay_page_xml: native/fuzz/replay_page_xml.cpp
build/replay_dedup: native/fuzz/replay_dedup.cpp
build/replay_text: native/fuzz/replay_text.cpp
build/replay_bpe: native/fuzz/replay_bpe.cpp
build/replay_ngrams: native/fuzz/replay_ngrams.cpp
build/replay_gutenberg: native/fuzz/replay_gutenberg.cpp
$(REPLAYS): $(SANITIZE_OBJECTS) native/fuzz/driver.hpp
	$(SANITIZE_CXX) -o $@ $(filter %.cpp,$^) $(SANITIZE_OBJECTS)

# libFuzzer on the extractor, the rules of templates, their expansion, the bzip2 decoder and the reader of pages' XML,
# FUZZ_SECONDS each; what it finds lies in build/fuzz/.
# Real pages are seeds too where CORPUSKIT_CORPORA names a folder that has wikipedia/ and conformance/.
FUZZ_SECONDS ?= 300
FUZZ_SEEDS = native/fuzz/corpus $(if $(CORPUSKIT_CORPORA),build/fuzz/real)
FUZZ = -max_total_time=$(FUZZ_SECONDS) -timeout=20 -rss_limit_mb=2048 -artifact_prefix=build/fuzz/
CLANG ?= clang++

FUZZERS = $(addprefix build/fuzz-,extractor templates expand bz2 page_xml dedup text bpe ngrams gutenberg)

fuzz: $(FUZZERS)
	@mkdir -p $(addprefix build/fuzz/,extractor templates expand bz2 page_xml dedup text bpe ngrams gutenberg real)
	$(if $(CORPUSKIT_CORPORA),$(BIN)/python -m benchmarks.fuzz_seeds "$(CORPUSKIT_CORPORA)" build/fuzz/real)
	build/fuzz-extractor $(FUZZ) -max_len=65536 -dict=native/fuzz/wikitext.dict build/fuzz/extractor $(FUZZ_SEEDS)
	build/fuzz-templates $(FUZZ) -max_len=8192 -dict=native/fuzz/wikitext.dict build/fuzz/templates native/fuzz/corpus_templates
	build/fuzz-expand $(FUZZ) -max_len=16384 -dict=native/fuzz/wikitext.dict build/fuzz/expand native/fuzz/corpus_expand
	build/fuzz-bz2 $(FUZZ) -max_len=8192 build/fuzz/bz2 native/fuzz/bz2
	build/fuzz-page_xml $(FUZZ) -max_len=8192 build/fuzz/page_xml native/fuzz/page_xml
	build/fuzz-dedup $(FUZZ) -max_len=8192 build/fuzz/dedup native/fuzz/page_xml
	build/fuzz-text $(FUZZ) -max_len=4096 build/fuzz/text native/fuzz/text
	build/fuzz-bpe $(FUZZ) -max_len=1024 build/fuzz/bpe native/fuzz/text
	build/fuzz-ngrams $(FUZZ) -max_len=300 build/fuzz/ngrams native/fuzz/text
	build/fuzz-gutenberg $(FUZZ) -max_len=4096 build/fuzz/gutenberg native/fuzz/text

FUZZ_CXX = $(CLANG) -std=c++20 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -ffp-contract=off -Inative
FUZZ_OBJECTS = $(ENGINE:native/engine/%.cpp=build/fuzz-objects/%.o)
build/fuzz-objects/%.o: native/engine/%.cpp $(HEADERS)
	@mkdir -p $(@D)
	$(FUZZ_CXX) -c -o $@ $<

build/fuzz-extractor: native/fuzz/replay.cpp
build/fuzz-templates: native/fuzz/fuzz_templates.cpp
build/fuzz-expand: native/fuzz/expand.cpp
build/fuzz-bz2: native/fuzz/replay_bz2.cpp
build/fuzz-page_xml: native/fuzz/replay_page_xml.cpp
build/fuzz-dedup: native/fuzz/replay_dedup.cpp
build/fuzz-text: native/fuzz/replay_text.cpp
build/fuzz-bpe: native/fuzz/replay_bpe.cpp
build/fuzz-ngrams: native/fuzz/replay_ngrams.cpp
build/fuzz-gutenberg: native/fuzz/replay_gutenberg.cpp
$(FUZZERS): $(FUZZ_OBJECTS) native/fuzz/driver.hpp
	$(FUZZ_CXX) -DCORPUSKIT_LIBFUZZER -o $@ $(filter %.cpp,$^) $(FUZZ_OBJECTS)

bench-install:
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install torch==2.13.0
	$(BENCH)/bin/python -m pip --disable-pip-version-check install -r benchmarks/requirements.txt
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --no-deps -r benchmarks/requirements_train.txt
	$(PYTHON) -m venv $(BENCH_ADAPT)
	$(BENCH_ADAPT)/bin/python -m pip --disable-pip-version-check install torch==2.13.0
	$(BENCH_ADAPT)/bin/python -m pip --disable-pip-version-check install -r benchmarks/requirements_adapt.txt
	$(PYTHON) -m venv $(BENCH_LOADER)
	$(BENCH_LOADER)/bin/python -m pip --disable-pip-version-check install -r benchmarks/requirements_loader.txt

# Apart from the others: llama.cpp is compiled, 10 to 30 minutes.
bench-install-gguf:
	test -x $(BENCH)/bin/python || $(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip --disable-pip-version-check install --no-binary llama-cpp-python -r benchmarks/requirements_gguf.txt

bench: $(VENV)/installed-dev
	@status=0; for name in path wikitext gutenberg; do \
	  echo "== benchmarks.$$name"; $(BIN)/python -m benchmarks.$$name --quick || status=1; \
	done; exit $$status

clean:
	rm -rf $(VENV) $(BENCH) $(BENCH_ADAPT) $(BENCH_LOADER) build runs models
