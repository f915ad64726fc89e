# Copyright (c) 2026, postmaster.secure_channel contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""This machine, as a module would see it."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.testing import patch_module_args

from ansible_collections.postmaster.secure_channel.plugins.module_utils._host.host import Host


def this_host() -> Host:
    """This machine; programs are run by Ansible's own code, as on a managed host."""
    with patch_module_args({"_ansible_remote_tmp": "/tmp"}):
        return Host(AnsibleModule(argument_spec={}).run_command)
