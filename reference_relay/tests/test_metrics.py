"""The metrics of a running relay."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from reference_relay.demo_world import write_config
from reference_relay.submission.tests.client import Client
from reference_relay.tests.program import Program
from reference_relay.tests.steps import (
    ENVIRONMENT,
    WORLD,
    answer_of,
    changed,
    encrypted,
    eventually,
    metric,
    name_server,
    port_of,
    ready_line,
    sign_in,
    submit,
)

# Exposition format 0.0.4.
SAMPLE = re.compile(r'[a-z_]+(_bucket|_sum|_count)?\{(([a-z]+)="[^"\\]*",?)+\} -?[0-9.e+-]+')


def test_everything_that_happens_is_counted(tmp_path: Path) -> None:
    """Connections, handshakes, sign-ins, mail, refusals, commits, deliveries, each where it is."""
    with name_server() as name_server_port:
        source = write_config(
            tmp_path, WORLD, port=0, name_server_port=name_server_port, mailbox_port=9
        )
        changed(source, "[management]", '[management]\ntoken_environment = "LAB_TOKEN"')
        with Program("serve", "--config", str(source), environment=ENVIRONMENT) as program:
            ready = ready_line(program)
            with Client(port_of(ready)) as client:
                encrypted(client)
                assert client.say(b"AUTH PLAIN AGEAYg==\r\n").startswith(b"535 ")
                sign_in(client)
                client.say(b"MAIL FROM:<a@foreign.example>\r\n")
                submit(client)
                assert metric(ready, "connections_open") == 1
            eventually(lambda: metric(ready, "deliveries_total", outcome="failed") == 1)
            eventually(lambda: metric(ready, "connections_open") == 0)
            expected = {
                ("connections_total", ""): 1,
                ("handshakes_total", "ok"): 1,
                ("handshakes_total", "failed"): 0,
                ("sign_ins_total", "ok"): 1,
                ("sign_ins_total", "credentials"): 1,
                ("messages_accepted_total", ""): 1,
                ("recipients_accepted_total", ""): 1,
                ("queue_depth", ""): 0,
                ("commit_batch_messages_count", ""): 1,
                ("commit_batch_messages_sum", ""): 1,
                ("commit_seconds_count", ""): 1,
                ("worker_up", ""): 1,
                ("worker_starts_total", ""): 1,
            }
            for (name, result), value in expected.items():
                labels = {"result": result} if result else {}
                assert metric(ready, name, **labels) == value, name
            assert metric(ready, "refusals_total", stage="MAIL", reply="550 5.7.1") == 1
            assert metric(ready, "content_octets_total") > 100
            assert metric(ready, "commit_batch_messages_bucket", le="+Inf") == 1
            assert answer_of(ready, "/metrics", token="wrong")[0] == 401
            for line in answer_of(ready, "/metrics")[1].splitlines():
                assert line.startswith(("# HELP ", "# TYPE ")) or SAMPLE.fullmatch(line), line
            program.signal(signal.SIGTERM)
            assert program.status() == 0
