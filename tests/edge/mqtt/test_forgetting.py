"""`leukoscope mqtt forget`: what a broker keeps of a device that is gone is cleared, and of no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from mqtt_partners import wait_for

from edge.cli import main
from edge.messages import Status, encode


def config(tmp_path, broker, protocol="5"):
    path = tmp_path / "leukoscope.toml"
    path.write_text(
        f'[camera]\nkind = "simulated"\n[mqtt]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f'protocol = "{protocol}"\n'
    )
    return str(path)


def keep(listener, device, state):
    for topic in ("status", "result/differential", "result/specimen/u-1"):
        payload = encode(Status(device_id=device, state=state, boot_id="b"))
        listener.send(f"leukoscope/{device}/{topic}", payload, retain=True)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_all_that_is_kept_of_a_device_is_cleared_and_nothing_else(tmp_path, broker, listen, capsys, protocol):
    listener = listen(broker)
    keep(listener, "gone", "offline")
    keep(listener, "other", "offline")
    assert main(["mqtt", "forget", "gone", "--config", config(tmp_path, broker, protocol)]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "leukoscope/gone/result/differential: cleared",
        "leukoscope/gone/result/specimen/u-1: cleared",
        "leukoscope/gone/status: cleared",
    ]
    late = listen(broker, "late")
    wait_for(lambda: len(late.seen) >= 3, "what is still kept")
    assert {message.device_id for _, message, retained in late.seen if retained} == {"other"}
    assert main(["mqtt", "forget", "gone", "--config", config(tmp_path, broker, protocol)]) == 0
    assert capsys.readouterr().out == "gone: the broker keeps nothing of it that this user may read\n"


def test_a_broker_that_acknowledges_nothing_is_not_waited_for(tmp_path, broker, listen, capsys):
    keep(listen(broker), "gone", "offline")
    path = Path(config(tmp_path, broker))
    path.write_text(path.read_text(encoding="utf-8") + "qos = 0\n", encoding="utf-8")
    assert main(["mqtt", "forget", "gone", "--config", str(path)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert main(["mqtt", "forget", "gone", "--config", str(path)]) == 0
    assert "keeps nothing of it" in capsys.readouterr().out


def test_a_device_that_is_online_is_not_forgotten(tmp_path, broker, listen, capsys):
    listener = listen(broker)
    keep(listener, "here", "online")
    assert main(["mqtt", "forget", "here", "--config", config(tmp_path, broker)]) != 0
    assert "device here is online and would say all of it again; stop it first" in capsys.readouterr().err
    late = listen(broker, "late")
    wait_for(lambda: len(late.seen) >= 3, "what is still kept")


def test_a_broker_that_is_away_or_an_id_that_is_none_is_said_in_a_sentence(tmp_path, idle_broker, capsys):
    assert main(["mqtt", "forget", "gone", "--config", config(tmp_path, idle_broker)]) != 0
    assert f"broker 127.0.0.1:{idle_broker.port}: " in capsys.readouterr().err
    assert main(["mqtt", "forget", "a/#", "--config", config(tmp_path, idle_broker)]) == 2
    assert "a/# is no id of a device" in capsys.readouterr().err
