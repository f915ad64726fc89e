# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Run a module on a recorded host, and print which of the collection's code that has loaded.

loaded_code.py MODULE ARGUMENTS [HOST...]: the arguments as JSON, and the recordings of the daemons on the host; without
any, the module is only imported. For a process of its own: in another one more is loaded already.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import ssl
import sys
from collections.abc import Iterator
from unittest import mock

from ansible.module_utils.testing import patch_module_args

COLLECTION = "ansible_collections.postmaster.secure_channel."
UTILS = COLLECTION + "plugins.module_utils."
CERTIFICATE = "mx"


class _Untouched:
    """Stands for a transaction in check mode."""

    check_mode = True

    def __init__(self, _host: object, _participants: object, **_how: object) -> None:
        pass

    def __enter__(self) -> _Untouched:
        return self

    def __exit__(self, *_exc: object) -> None:
        pass

    def apply(self, *_what: object) -> None:
        pass


@contextlib.contextmanager
def _recorded(names: list[str]) -> Iterator[None]:
    """A module runs on a recorded host with a certificate."""
    recorded_hosts = importlib.import_module(f"{COLLECTION}tests.support.recorded_hosts")
    host = recorded_hosts.RecordedHost(*names)
    host.files[f"{recorded_hosts.STORE}/live/{CERTIFICATE}.pem"] = ssl.DER_cert_to_PEM_cert(b"leaf").encode()
    host.answers["systemctl is-active --quiet dovecot.service"] = ""
    host.answers["ss -Hltnp"] = ""
    replaced = {
        "_service.site.Host": lambda: host,
        "_service.runner.Transaction": _Untouched,
        "_vservers.certificates.refuse_unusable": lambda *_args: None,
    }
    with contextlib.ExitStack() as stack:
        for place, instead in replaced.items():
            if f"{UTILS}{place}".rpartition(".")[0] in sys.modules:
                stack.enter_context(mock.patch(UTILS + place, instead))
        yield


def main() -> None:
    """Run the module."""
    name, arguments, *hosts = sys.argv[1:]
    module = importlib.import_module(f"{COLLECTION}plugins.modules.{name}")
    result: object = None
    if hosts:
        printed = io.StringIO()
        given = {**json.loads(arguments), "_ansible_check_mode": True}
        ends = contextlib.suppress(SystemExit)
        with _recorded(hosts), patch_module_args(given), contextlib.redirect_stdout(printed), ends:
            module.main()
        result = json.loads(printed.getvalue())
    ours = (one.removeprefix(UTILS) for one in sys.modules if one.startswith(UTILS))
    packages = {one.rpartition(".")[0] for one in sys.modules if one.startswith(UTILS)}
    print(json.dumps({"result": result, "loaded": sorted(one for one in ours if UTILS + one not in packages)}))


if __name__ == "__main__":
    main()
