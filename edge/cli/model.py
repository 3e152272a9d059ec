"""The commands of `leukoscope model`, each with the arguments it takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli.config_option import add_config_option, find_config
from edge.cli.images import add_adapt_arguments
from edge.errors import ConfigError

if TYPE_CHECKING:
    import argparse


def add_model_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands of `leukoscope model`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION")

    info = actions.add_parser("info", help="what a bundle says of itself")
    info.add_argument("file", type=Path, nargs="?", help="a bundle (default: the one that answers here)")
    info.set_defaults(run=_info)

    verify = actions.add_parser("verify", help="run a bundle's golden inputs on every runtime there is here")
    verify.add_argument("file", type=Path, nargs="?", help="a bundle (default: the one that answers here)")
    verify.set_defaults(run=_verify)

    install = actions.add_parser("install", help="let a signed bundle answer from the next field on")
    install.add_argument("file", type=Path, help="a bundle, with its signature beside it as FILE.sig")
    install.set_defaults(run=_install)

    listing = actions.add_parser("list", help="which model answers, and which one did before")
    listing.set_defaults(run=_list)

    rollback = actions.add_parser("rollback", help="go back to the former model")
    rollback.set_defaults(run=_rollback)

    for command in (install, listing, rollback):
        add_config_option(command)
    for command in (info, verify):
        add_config_option(command)
        command.set_defaults(finds_config=False)  # without one, the model that ships answers

    adapt = actions.add_parser("adapt", help="fit a model to named cells of your own microscope")
    add_adapt_arguments(adapt)

    keygen = actions.add_parser("keygen", help="make a key to sign bundles with")
    keygen.add_argument("file", type=Path, help="the secret key; the public one is FILE.pub")
    keygen.set_defaults(run=_keygen)

    sign = actions.add_parser("sign", help="sign a bundle; the signature is written to FILE.sig")
    sign.add_argument("file", type=Path, help="a bundle")
    sign.add_argument("--key", type=Path, required=True, help="the secret key, as keygen made it")
    sign.set_defaults(run=_sign)


def _info(options: argparse.Namespace) -> int:
    from edge.cli.listing import show_model  # noqa: PLC0415

    return show_model(*_chosen(options))


def _verify(options: argparse.Namespace) -> int:
    from edge.cli.listing import verify_model  # noqa: PLC0415

    return verify_model(_chosen(options)[0])


def _chosen(options: argparse.Namespace) -> tuple[Path, str | None]:
    """Return the bundle that is meant, and why it answers on this device where none was named."""
    if options.file is not None:
        return options.file, None
    from edge.config import SHIPPED_MODEL, load_config  # noqa: PLC0415
    from edge.updates.choice import answering  # noqa: PLC0415

    try:
        config = options.config or find_config(aloud=False)
    except ConfigError:
        return SHIPPED_MODEL, "ships with the software; there is no configuration here"
    chosen = answering(load_config(config))
    return chosen.path, f"{chosen.why} ({config})"


def _install(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415

    config = load_config(options.config)
    from edge.updates.install import install  # noqa: PLC0415

    done = install(options.file, config)
    when = "answers from the next field on" if done.new else "is installed already"
    print(f"{done.name} {done.sha256}, signed by {done.signer}: {when}")
    return 0


def _list(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415
    from edge.updates.install import list_models  # noqa: PLC0415

    rows = list_models(load_config(options.config))
    from edge.cli.tables import print_rows  # noqa: PLC0415

    print_rows(("which", "model", "sha256", "signed by", "installed", "note"), rows)
    return 0


def _rollback(options: argparse.Namespace) -> int:
    from edge.config import load_config  # noqa: PLC0415
    from edge.updates.install import roll_back  # noqa: PLC0415

    now = roll_back(load_config(options.config))
    print(f"{now.model} {now.sha256}".strip() + ": answers from the next field on")
    return 0


def _keygen(options: argparse.Namespace) -> int:
    from edge.updates.signing import make_key  # noqa: PLC0415

    public = make_key(options.file)
    print(f"{options.file}: keep it secret; devices get {public}, into the folder model.trusted_keys")
    return 0


def _sign(options: argparse.Namespace) -> int:
    from edge.models.bundle import MAX_BYTES, read_bundle  # noqa: PLC0415
    from edge.updates.signing import sign  # noqa: PLC0415

    read_bundle(options.file)  # what is signed is a whole bundle
    print(f"{sign(options.file, options.key, MAX_BYTES)}: written")
    return 0
