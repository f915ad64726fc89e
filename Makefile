# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# `make` lists the targets. Everything they need and produce is kept in one directory outside the checkout:
# $POSTMASTER_CACHE, by default /var/cache/postmaster-secure-channel.
# ARGS="..." goes to the program behind a target; V=1 shows its output as it comes.

QA := tests/qa
# The longest first, so that the others fill the time beside them.
LINTS := build ansible-lint docs style yaml files shell changelog
STEPS := mail daemons upgrade corpus molecule sanity reliability-short units first-steps types $(LINTS)

.PHONY: help
help:
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' Makefile | expand -t 16

.PHONY: demo test
demo: venv ## two mail hosts, secured and proven on the wire
	@$(QA)/in-venv tests/demo/run $(ARGS)

test: ## every check there is
	@$(QA)/test $(STEPS)

.PHONY: deps venv
deps: ## the Debian packages that everything else needs (root)
	@$(QA)/deps

venv: deps ## the Python packages that everything else needs
	@$(QA)/venv

.PHONY: lint docs-site $(STEPS)
units: venv ## unit tests
	@$(QA)/step $@ $(QA)/units $(ARGS)

sanity: venv ## ansible-test sanity, nothing left out
	@$(QA)/step $@ $(QA)/sanity $(ARGS)

molecule: venv ## the roles on real hosts
	@$(QA)/step $@ $(QA)/molecule $(ARGS)

mail: venv ## what the collection promises, judged on real hosts by other programs
	@$(QA)/step $@ $(QA)/mail $(ARGS)

daemons: venv ## the same for every daemon that has a provider
	@$(QA)/step $@ $(QA)/daemons $(ARGS)

upgrade: venv ## hosts that were secured, then upgraded to the next Debian release
	@$(QA)/step $@ $(QA)/upgrade $(ARGS)

corpus: venv ## configurations in the style of real ones, and random ones, on real hosts
	@$(QA)/step $@ $(QA)/corpus $(ARGS)

first-steps: venv ## the documentation's first page, followed word for word on real hosts
	@$(QA)/step $@ $(QA)/first-steps $(ARGS)

.PHONY: reliability
reliability: venv ## figures: deaths, load, secrets, check mode, broken copies; takes hours
	@V=1 $(QA)/step $@ $(QA)/reliability $(ARGS)

reliability-short: venv ## a sample of these in three minutes
	@$(QA)/step $@ $(QA)/reliability --short $(ARGS)

types: venv ## mypy
	@$(QA)/step $@ $(QA)/nox typing

lint: $(LINTS) ## the eight that follow

style: venv ## ruff: rules and format
	@$(QA)/step $@ $(QA)/nox codeqa formatters

yaml: venv ## yamllint, also in the modules' documentation
	@$(QA)/step $@ $(QA)/nox yamllint

docs: venv ## antsibull-docs, and the documentation as a web site
	@$(QA)/step $@ $(QA)/nox docs-check docs-site

docs-site: venv ## the web site alone; V=1 shows where it is
	@$(QA)/step $@ $(QA)/nox docs-site

files: venv ## licences, stray files, action groups, settings
	@$(QA)/step $@ $(QA)/nox license-check extra-checks antsibull-nox-config

ansible-lint: venv ## ansible-lint, profile production
	@$(QA)/step $@ $(QA)/nox ansible-lint

build: venv ## build the artefact and import it as Galaxy does
	@$(QA)/step $@ $(QA)/nox build-import-check execution-environment

shell: venv ## shellcheck
	@$(QA)/step $@ $(QA)/shell

changelog: venv ## antsibull-changelog
	@$(QA)/step $@ $(QA)/changelog

.PHONY: format fuzz release lab-down clean
format: venv ## let ruff format the code and sort its imports
	@FORMAT=1 $(QA)/nox formatters

fuzz: venv ## look for bytes that hurt a parser; ARGS="SECONDS PARSER..."
	@$(QA)/fuzz $(ARGS)

release: venv ## turn the fragments into a new section of CHANGELOG.md
	@$(QA)/in-venv antsibull-changelog release $(ARGS)

lab-down: ## stop the lab's hosts
	@$(QA)/lab-down

clean: ## stop the lab's hosts and remove the cache
	@$(QA)/clean
