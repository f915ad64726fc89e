# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the documentation as a web site, without a warning, offline. ``make docs-site`` calls it.

It is built in the cache, see tests/qa/env.sh; the last line printed is the path of its first page.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import zlib
from pathlib import Path

COLLECTION = "postmaster.secure_channel"
TITLE = "Secure channels for mail hosts"
ANSIBLE = "https://docs.ansible.com/projects/ansible/latest/"
# Labels on Ansible's own site that the modules' pages lead to. Sphinx would fetch the list of all of them.
CRYPTO = "collections/community/crypto"
CRYPTO_MODULES = ("acme_ari_info", "acme_certificate", "x509_certificate_pipe")
LABELS = {
    **{
        f"ansible_collections.community.crypto.{name}_module": f"{CRYPTO}/{name}_module.html" for name in CRYPTO_MODULES
    },
    "action_plugins": "plugins/action.html",
    "ansible_configuration_settings": "reference_appendices/config.html",
    "common_return_values": "reference_appendices/common_return_values.html",
}
SETTINGS = f"""
intersphinx_mapping = {{"ansible": ("{ANSIBLE}", "../ansible.inv")}}
intersphinx_disabled_reftypes = []
html_use_smartypants = False  # "--check" stays as it is
html_static_path = ["static"]
html_css_files = ["site.css"]
"""
# The theme cuts off names of modules in the menu, and centres names of files above what is in them.
STYLE = """
.wy-menu-vertical a { overflow-wrap: anywhere; }
.code-block-caption { text-align: left; }
"""


def inventory() -> bytes:
    """The labels in the format of Sphinx' inventories (version 2)."""
    head = "# Sphinx inventory version 2\n# Project: Ansible\n# Version: \n# The rest is compressed with zlib.\n"
    lines = [f"{label} std:label -1 {page}#{label.replace('_', '-')} {label}\n" for label, page in LABELS.items()]
    return head.encode() + zlib.compress("".join(lines).encode())


def build(directory: Path) -> Path:
    """Build the site, and answer its first page."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    words = ["--use-current", "--squash-hierarchy", "--fail-on-error", "--dest-dir", str(directory)]
    titles = ["--project", COLLECTION, "--title", TITLE, "--html-short-title", TITLE]
    titles += ["--copyright", f"{COLLECTION} contributors"]
    subprocess.run(["antsibull-docs", "sphinx-init", *words, *titles, COLLECTION], check=True)
    (directory / "ansible.inv").write_bytes(inventory())
    (directory / "static").mkdir()
    (directory / "static" / "site.css").write_text(STYLE)
    with (directory / "conf.py").open("a") as conf:
        conf.write(SETTINGS)
    subprocess.run(["bash", "build.sh"], cwd=directory, check=True)
    return directory / "build" / "html" / "index.html"


if __name__ == "__main__":
    print(build(Path(os.environ["POSTMASTER_WORK"]) / "site"))
