"""Renders what is made from the contracts, or with --check says which files are out of step."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bigquery.renderer import marts_json, rejected_sql
from bigquery.renderer.marts_json import MartFiles
from bigquery.renderer.problem import ContractError, Problems
from bigquery.renderer.rendering import render

CONTRACT = "contract.yaml"
COMMAND = "python -m bigquery.renderer"
_BESIDE_THE_CODE = Path(__file__).parents[1] / "datasets"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all is rendered or in step, 1 when a contract is unsound or a file is out of step."""
    parser = argparse.ArgumentParser(prog=COMMAND, description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file is out of step")
    parser.add_argument(
        "--datasets",
        type=Path,
        default=_BESIDE_THE_CODE,
        metavar="DIR",
        help="folder with <dataset>/contract.yaml; beside it may lie marts/",
    )
    options = parser.parse_args(arguments)
    rendered, refusals = _render(options.datasets)
    marts = options.datasets.parent / "marts"
    if marts.is_dir():
        catalog, refused = _render_marts(marts)
        rendered[marts / marts_json.FILE] = catalog
        refusals += refused
    sys.stderr.write("\n".join(refusals))
    if options.check:
        stale = [path for path, text in rendered.items() if not _holds(path, text)]
        sys.stderr.write(_stale_report(stale, options.datasets) if stale else "")
        return 1 if refusals or stale else 0
    if not refusals:
        for path, text in rendered.items():
            path.write_text(text, encoding="utf-8", newline="\n")
    return 1 if refusals else 0


def _render(datasets: Path) -> tuple[dict[Path, str], list[str]]:
    """What each file is to hold, and the report of each contract that is refused."""
    rendered: dict[Path, str] = {}
    refusals = []
    folders = sorted(path for path in datasets.iterdir() if path.is_dir()) if datasets.is_dir() else []
    if not folders:
        refusals.append(f"{_told(datasets)}: expected folders, each with a {CONTRACT}; found none\n")
    for folder in folders:
        contract = folder / CONTRACT
        if not contract.is_file():
            refusals.append(
                f"{_told(folder)}: expected a {CONTRACT}, found none; write one or remove the folder\n"
            )
            continue
        try:
            files = render(contract.read_text(encoding="utf-8"), folder.name)
        except UnicodeDecodeError as error:
            refusals.append(f"{_told(contract)}: expected UTF-8, found {error}; save it as UTF-8\n")
        except ContractError as error:
            refusals.append(error.told(_told(contract)))
        else:
            rendered |= {folder / name: text for name, text in files.items()}
    rendered[datasets / rejected_sql.FILE] = rejected_sql.render(folder.name for folder in folders)
    return rendered, refusals


def _render_marts(folder: Path) -> tuple[str, list[str]]:
    """The catalogue of the marts in a folder, and the report of each mart that is refused."""
    marts = {}
    for path in sorted(folder.glob("*.sql")):
        columns = path.with_name(f"{path.stem}{marts_json.COLUMNS}")
        described = columns.read_text(encoding="utf-8") if columns.is_file() else None
        marts[path.stem] = MartFiles(path.read_text(encoding="utf-8"), described)
    problems = {name: Problems() for name in marts}
    text = marts_json.render(marts, problems)
    told = _told(folder)
    return text, [ContractError(found.found).told(told) for found in problems.values() if found.found]


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_bytes() == text.encode()


def _stale_report(stale: Sequence[Path], datasets: Path) -> str:
    flag = "" if datasets == _BESIDE_THE_CODE else f" --datasets {datasets}"
    names = "".join(f"  {_told(path)}\n" for path in stale)
    return f"These rendered files are out of step with their sources:\n{names}Run: {COMMAND}{flag}\n"


def _told(path: Path) -> str:
    """The path as a reader in the working directory would write it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


if __name__ == "__main__":
    sys.exit(main())
