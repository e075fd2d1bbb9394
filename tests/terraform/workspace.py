"""Terraform on copies of the configuration: the checkout is never written to, and no cloud is asked.

A copy has what the configuration reads beside it, and a local backend in place of the bucket. One is
initialised; every further one is copied from it.
"""

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tests.terraform.plan import Plan

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = ROOT.parent / "shared" / "terraform-offline" / "terraform-offline"
FOLDERS = ("terraform", "bigquery", "functions", "composer_dags", "spark_jobs")
ENVIRONMENTS = tuple(sorted(path.stem for path in (ROOT / "terraform" / "envs").glob("*.tfvars")))
# The local cloud has a var-file too: what Terraform would make of it is what `landfall up` makes.
LOCAL = "local"
BACKEND = 'terraform {\n  backend "local" {}\n}\n'
# Providers of any version: whether they can be had at all, apart from which the configuration asks for.
PROBE = """terraform {
  required_providers {
    google  = { source = "hashicorp/google" }
    archive = { source = "hashicorp/archive" }
  }
}
"""
TIMEOUT_SECONDS = 300


class NoTerraformError(Exception):
    """Terraform, or its providers, cannot be had here."""


class TerraformError(Exception):
    """Terraform refused; the message is all that it said."""


class Workspace:
    """A copy of the configuration with the folders that it reads: `root/terraform`, `root/bigquery`…"""

    def __init__(self, executable: str, root: Path, cache: Path) -> None:
        self.root = root
        self.folder = root / "terraform"
        self.executable = executable
        self._cache = cache

    def run(self, *arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        """Run terraform in the folder; `check` raises TerraformError unless it ends well."""
        completed = subprocess.run(
            [self.executable, f"-chdir={self.folder}", *arguments],
            env={
                **{name: value for name, value in os.environ.items() if not _unwanted(name)},
                "TF_IN_AUTOMATION": "1",
                "TF_PLUGIN_CACHE_DIR": str(self._cache),
                "CHECKPOINT_DISABLE": "1",
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=TIMEOUT_SECONDS,
        )
        if check and completed.returncode != 0:
            raise TerraformError(said(completed))
        return completed

    def plan(self, environment: str, *arguments: str) -> Plan:
        """The plan of an environment whose project is empty; further arguments such as "-var=name=value"."""
        file = self.folder / f"{environment}.tfplan"
        self.run(
            "plan",
            "-input=false",
            "-lock=false",
            "-refresh=false",
            "-no-color",
            f"-var-file={self.var_file(environment)}",
            f"-out={file.name}",
            *arguments,
            check=True,
        )
        shown = self.run("show", "-json", file.name, check=True)
        plan: Plan = json.loads(shown.stdout)
        return plan

    def var_file(self, environment: str) -> Path:
        if environment == LOCAL:
            return ROOT / "localcloud" / "local.tfvars.json"
        return self.folder / "envs" / f"{environment}.tfvars"

    def replace(self, file: str, find: str, replacement: str) -> None:
        """Replace the one match of a regular expression in a file of the workspace."""
        path = self.root / file
        text, count = re.subn(find, replacement, path.read_text(), flags=re.MULTILINE)
        if count != 1:
            raise ValueError(f"expected one match of {find!r} in {file}, found {count}")
        path.write_text(text)


class Terraform:
    """An executable that was seen to find its providers."""

    def __init__(self, executable: str, folder: Path) -> None:
        """Raises NoTerraformError if its providers cannot be had."""
        self.executable = executable
        self._folder = folder
        self._cache = folder / "providers"
        self._cache.mkdir(parents=True)
        self._initialised: Path | None = None
        self._probe()

    @property
    def offline(self) -> bool:
        """Whether providers are stubs that know their schemas alone: only those can plan without a cloud."""
        return Path(self.executable).name == OFFLINE.name

    def copy(self, name: str) -> Workspace:
        """A new workspace, initialised; raises TerraformError if the configuration cannot be."""
        if self._initialised is None:
            self._initialised = self._initialise()
        root = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self._folder))
        shutil.copytree(self._initialised, root, symlinks=True, dirs_exist_ok=True)
        return Workspace(self.executable, root, self._cache)

    def _initialise(self) -> Path:
        root = self._folder / ".initialised"
        for folder in FOLDERS:
            shutil.copytree(
                ROOT / folder, root / folder, ignore=shutil.ignore_patterns("__pycache__", ".terraform*")
            )
        (root / "terraform" / "backend_override.tf").write_text(BACKEND)
        Workspace(self.executable, root, self._cache).run("init", "-input=false", "-no-color", check=True)
        return root

    def _probe(self) -> None:
        probe = Workspace(self.executable, self._folder / ".probe", self._cache)
        probe.folder.mkdir(parents=True)
        (probe.folder / "versions.tf").write_text(PROBE)
        completed = probe.run("init", "-input=false", "-no-color")
        if completed.returncode != 0:
            raise NoTerraformError(
                f"{self.executable} cannot get the providers: {said(completed).strip()[:500]}"
            )


class Plans(Mapping[str, Plan]):
    """The plan of each environment and of the local cloud, made when it is first asked for."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._made: dict[str, Plan] = {}
        # What is planned: the checkout as it was when the tests began.
        self.root = workspace.root

    def __getitem__(self, environment: str) -> Plan:
        if environment not in self._made:
            self._made[environment] = self._workspace.plan(environment)
        return self._made[environment]

    def __iter__(self) -> Iterator[str]:
        return iter((*ENVIRONMENTS, LOCAL))

    def __len__(self) -> int:
        return len(ENVIRONMENTS) + 1


def find_terraform() -> str:
    """The executable named by TERRAFORM, else the offline one beside the checkout, else the one on PATH."""
    named = os.environ.get("TERRAFORM")
    if named:
        found = shutil.which(named if named == Path(named).name else str(ROOT / named))
        if found is None:
            raise FileNotFoundError(f"TERRAFORM names {named}: expected an executable, found none")
        return found
    installed = shutil.which("terraform")
    if installed is None:
        raise NoTerraformError("terraform is not on PATH; install it, or set TERRAFORM")
    return str(OFFLINE) if OFFLINE.is_file() else installed


def said(completed: subprocess.CompletedProcess[str]) -> str:
    """What a run of Terraform printed, without colours and the frame of its messages."""
    text = re.sub(r"\x1b\[[0-9;]*m", "", completed.stdout + completed.stderr)
    return re.sub(r"^[│╷╵] ?", "", text, flags=re.MULTILINE)


def _unwanted(name: str) -> bool:
    """Arguments, variables and credentials of whoever runs the tests."""
    return name.startswith(("TF_VAR_", "TF_CLI_ARGS", "GOOGLE_", "CLOUDSDK_")) or name in (
        "TF_WORKSPACE",
        "TF_DATA_DIR",
        "TF_LOG",
    )
