# Every command makes what it needs: a virtual environment in .venv with the first Python 3.11 or newer it finds
# (say `make PYTHON=/path/to/python3.12 …` to choose), installed again only when setup.py or pyproject.toml changed.
.POSIX:

BIN = .venv/bin
SHIFT = 0
FRONTEND =
PIP = $(BIN)/python -m pip --disable-pip-version-check
LOCK = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
	--no-emit-index-url --output-file

help:
	@echo 'make demo           everything on this machine, in the foreground: gateway, identity provider, services'
	@echo '                    (SHIFT=100 moves all its ports, if one is taken;'
	@echo '                    FRONTEND=http://localhost:5173 for your own page in place of the demo'"'"'s)'
	@echo 'make test           the suite'
	@echo 'make coverage       the suite, and how much of the gateway it runs (make coverage-sample: of a part of it)'
	@echo 'make check          lint, format, types (also: make lint)'
	@echo 'make format         mend what lint and format can mend'
	@echo 'make test-redis     the store and the rate limits against a real Redis'
	@echo 'make test-balanced  two gateways behind a real nginx, with a real Redis: restarted, reloaded, frozen'
	@echo 'make test-deploy    units, image, compose file, manifests, lock: by the tools that judge them'
	@echo 'make test-image     the image, built and run by Podman (first time: 2 minutes more)'
	@echo 'make test-prometheus  a real Prometheus before a real gateway; dashboard and alerts by promtool'
	@echo 'make test-browser   the demo in a real Chromium'
	@echo 'make test-frontend  the TypeScript client, resumable uploads, accessibility (needs Node 20)'
	@echo 'make client         the TypeScript client anew, from the API description (needs Node 20)'
	@echo 'make test-keycloak  a real Keycloak, also in Chromium (first time: 1 to 2 minutes more)'
	@echo 'make test-kafka     events in a real Kafka 3.9 and 4 (first time: 1 minute more)'
	@echo 'make test-jaeger    spans to a real Jaeger (first time: 5 minutes more, to build it; needs Go 1.26)'
	@echo 'make test-loki      lines to a real Loki (first time: 8 minutes more; needs Go 1.26)'
	@echo '                    these install what they need where they may (Debian, as root), or say what that is'
	@echo 'make docs           the documents as a site with search, links checked: build/site'
	@echo 'make lock           renew requirements/*.txt (once a week); make audit: are there known holes in it?'
	@echo 'make bench          CPU per forwarded request, beside bare Flask and Fastify (needs wrk, Redis; Node);'
	@echo '                    BENCH="--late 50 --connections 500": many clients of a service that takes 50 ms'
	@echo 'make clean          remove what these commands made'

demo: .venv/installed
	@$(BIN)/python -m demo --shift $(SHIFT) --frontend '$(FRONTEND)'

# Four processes on two cores: most tests wait most of their time. Those whose times are judged come after them, in two.
PYTEST = pytest
test: .venv/installed-dev
	$(BIN)/$(PYTEST) --numprocesses 4 --dist loadfile -m 'not timed'
	$(BIN)/$(PYTEST) --numprocesses 2 --dist loadfile -m timed

# The same with coverage of the gateway's processes, printed; less than the floor in pyproject.toml fails. It takes two
# thirds more CPU, so CI measures a sample, for which the floor is made.
coverage: .venv/installed-dev
	$(BIN)/coverage erase
	$(MAKE) test PYTEST='coverage run -m pytest'
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

SAMPLE = tests/cli/test_command.py tests/config/test_settings.py tests/doctor tests/routes \
	tests/sessions/test_sign_in.py tests/sessions/test_logout.py tests/events/test_events.py tests/traces/test_spans.py
coverage-sample: .venv/installed-dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest --numprocesses 2 --dist loadfile -m 'not timed' $(SAMPLE)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

check lint: .venv/installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: .venv/installed-dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

test-redis: .venv/installed-dev
	tests/peers/debian.sh redis-server=redis-server
	$(BIN)/pytest tests/real/test_store_redis.py tests/real/test_limits_redis.py tests/real/test_doctor_redis.py

test-balanced: .venv/installed-dev
	tests/peers/debian.sh redis-server=redis-server nginx=nginx-light
	$(BIN)/pytest tests/real/test_balanced.py tests/real/test_rolling.py tests/real/test_doctor_nginx.py

# The parts of deploy/ by the tools that judge them; real servers are in test-balanced and test-prometheus.
test-deploy: .venv/installed-dev
	tests/peers/debian.sh systemd-analyze=systemd docker-compose=docker-compose
	tests/peers/kustomize.sh install
	$(BIN)/pytest tests/deploy tests/real/test_deploy_tools.py

# As root. No registry is needed: tests/peers/image.sh makes base images of Debian's packages.
test-image: .venv/installed-dev
	tests/peers/image.sh install
	$(BIN)/pytest tests/real/test_image.py

test-prometheus: .venv/installed-dev
	tests/peers/debian.sh prometheus=prometheus
	$(BIN)/pytest tests/real/test_promtool.py tests/real/test_prometheus.py

test-browser: .venv/installed-dev
	tests/peers/debian.sh chromium=chromium
	$(BIN)/pytest tests/real/test_browser.py tests/real/test_uploads_in_browser.py

test-frontend: .venv/installed-dev
	tests/peers/debian.sh chromium=chromium npm=npm
	cd clients/typescript && npm ci --no-audit --no-fund
	$(BIN)/pytest tests/real/test_client_package.py tests/real/test_client.py tests/real/test_example.py \
	  tests/real/test_generators.py tests/real/test_description_tools.py tests/real/test_resumable_uploads.py \
	  tests/real/test_accessibility.py

# clients/typescript: the types from the API description, and what they and the sources build to.
client: .venv/installed-dev
	tests/peers/debian.sh npm=npm
	cd clients/typescript && npm ci --no-audit --no-fund
	PYTHONPATH=.:tests $(BIN)/python -m harness.description clients/typescript/openapi.json
	cd clients/typescript && npm run types && npm run build

test-keycloak: .venv/installed-dev
	tests/peers/debian.sh chromium=chromium
	tests/peers/keycloak.sh install
	$(BIN)/pytest tests/real/test_keycloak.py tests/real/test_keycloak_sign_in.py tests/real/test_keycloak_sessions.py tests/real/test_keycloak_doctor.py tests/real/test_browser_keycloak.py

test-kafka: .venv/installed-dev
	tests/peers/debian.sh cc=gcc
	tests/peers/kafka.sh install 3.9.2 4.4.0
	$(BIN)/pytest tests/real/test_kafka.py

test-jaeger: .venv/installed-dev
	tests/peers/debian.sh redis-server=redis-server
	tests/peers/jaeger.sh install
	$(BIN)/pytest tests/real/test_jaeger.py

test-loki: .venv/installed-dev
	tests/peers/loki.sh install
	$(BIN)/pytest tests/real/test_loki.py

# The newest version of each package, whatever setup.py allows: what breaks next. Nothing waits for it to be green.
test-newest: .venv/installed-dev
	$(BIN)/python -m venv --clear .tox/newest
	.tox/newest/bin/pip install --quiet --disable-pip-version-check '.[test]'
	.tox/newest/bin/pip install --quiet --disable-pip-version-check --upgrade $$(PYTHONPATH=tests $(BIN)/python -m newest)
	.tox/newest/bin/pytest -q tests/deploy/test_dependencies.py tests/routes

# The documents as a site, in build/site: from a copy, in which links to what is not in docs/ lead somewhere too.
DOCUMENTS = README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE Dockerfile Makefile setup.py wsgi.py \
	gunicorn.conf.py docs deploy requirements gateway blueprints clients tests/README.md tests/project
docs: .venv/installed-dev
	$(PIP) install --quiet --editable '.[docs]'
	rm -rf build/documents build/site
	mkdir -p build/documents
	git ls-files -z $(DOCUMENTS) | xargs -0 tar cf - | tar xf - -C build/documents
	$(BIN)/mkdocs build --strict --quiet
	@echo 'build/site/index.html'

# requirements/*.txt anew, at the newest versions that setup.py allows.
lock: .venv/installed-dev
	$(PIP) install --quiet 'uv >=0.13,<0.14'
	$(LOCK) requirements/run.txt setup.py --extra fast
	$(LOCK) requirements/build.txt requirements/build.in
	$(LOCK) requirements/sbom.txt requirements/sbom.in

audit: .venv/installed-dev
	$(PIP) install --quiet 'pip-audit >=2.10,<3'
	$(BIN)/pip-audit --require-hashes --disable-pip -r requirements/run.txt

bench: .venv/installed-dev
	tests/peers/debian.sh wrk=wrk redis-server=redis-server
	$(BIN)/python -m bench $(BENCH)

clean:
	rm -rf .venv .tox build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@for python in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11; do \
	  if "$$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "$$python -m venv .venv"; exec "$$python" -m venv .venv; \
	  fi; \
	done; \
	echo 'No Python 3.11 or newer with the venv module was found.' >&2; \
	echo 'Install one (Debian: apt-get install python3-venv), or name it: make PYTHON=/path/to/python3.12 …' >&2; \
	exit 1

.venv/installed: .venv/bin/python setup.py pyproject.toml
	$(PIP) install --quiet --editable .
	@$(PIP) install --quiet --editable '.[fast]' >/dev/null 2>&1 || \
	  echo "gunicorn's parser in C could not be built (no C compiler?): the one in Python serves."
	@touch $@

.venv/installed-dev: .venv/installed
	$(PIP) install --quiet --editable '.[dev]'
	@touch $@

.PHONY: help demo test coverage coverage-sample check lint format test-redis test-balanced test-deploy test-image \
	test-prometheus test-browser test-frontend client test-keycloak test-kafka test-jaeger test-loki test-newest lock \
	audit docs bench clean
