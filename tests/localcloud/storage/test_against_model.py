"""Random operations under random preconditions, on the store and on a small model."""

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from localcloud.storage.checksums import Promise
from localcloud.storage.cloud import Settings, open_cloud
from localcloud.storage.errors import ApiError
from localcloud.storage.listing import Listing
from localcloud.storage.objects import Source, Target
from localcloud.storage.preconditions import Preconditions

NAMES = st.sampled_from(["a", "a/b", "c", "c/", "../d"])
CONTENTS = st.binary(max_size=4)
# What a condition may name: nothing, "no object", the generation that is there, one that is not.
WANTED = st.sampled_from([None, "zero", "current", "other"])
CONDITIONS = st.tuples(WANTED, WANTED, WANTED, WANTED)


class Model(RuleBasedStateMachine):
    """`objects` is what must be there: name → (generation, metageneration, content)."""

    @initialize()
    def start(self) -> None:
        self.home = Path(tempfile.mkdtemp())
        self.settings = Settings(1, self.home / "buckets", self.home / "state.sqlite", "p", ())
        self.cloud = open_cloud(self.settings)
        self.cloud.buckets.create("bucket", {})
        self.objects: dict[str, tuple[int, int, bytes]] = {}
        self.newest = 0

    def teardown(self) -> None:
        self.cloud.database.close()
        shutil.rmtree(self.home)

    @rule(name=NAMES, content=CONTENTS, wanted=CONDITIONS)
    def put(self, name: str, content: bytes, wanted: tuple[Any, ...]) -> None:
        conditions = self.conditions(name, wanted)
        draft = self.cloud.objects.new_draft()
        draft.write_bytes(content)
        expected = self.refusal(name, conditions)
        try:
            stored = self.cloud.objects.put(Target("bucket", name, conditions), draft, {}, Promise())
        except ApiError as error:
            assert error.status == expected
            draft.unlink()
            return
        assert expected is None
        self.note(name, stored.generation, content)

    @rule(source=NAMES, destination=NAMES, wanted=CONDITIONS, from_source=CONDITIONS)
    def copy(
        self, source: str, destination: str, wanted: tuple[Any, ...], from_source: tuple[Any, ...]
    ) -> None:
        conditions, source_conditions = (
            self.conditions(destination, wanted),
            self.conditions(source, from_source),
        )
        expected = (
            self.missing(source)
            or self.refusal(source, source_conditions)
            or self.refusal(destination, conditions)
        )
        try:
            stored = self.cloud.objects.copy(
                Source("bucket", source, None, source_conditions),
                Target("bucket", destination, conditions),
                {},
            )
        except ApiError as error:
            assert error.status == expected
            return
        assert expected is None
        self.note(destination, stored.generation, self.objects[source][2])

    @rule(name=NAMES, wanted=CONDITIONS)
    def patch(self, name: str, wanted: tuple[Any, ...]) -> None:
        conditions = self.conditions(name, wanted)
        expected = self.missing(name) or self.refusal(name, conditions)
        try:
            self.cloud.objects.patch(
                Source("bucket", name, None, conditions), {"cacheControl": "x"}, replacing=False
            )
        except ApiError as error:
            assert error.status == expected
            return
        assert expected is None
        generation, metageneration, content = self.objects[name]
        self.objects[name] = (generation, metageneration + 1, content)

    @rule(name=NAMES, wanted=CONDITIONS, by_generation=WANTED)
    def delete(self, name: str, wanted: tuple[Any, ...], by_generation: str | None) -> None:
        conditions, generation = self.conditions(name, wanted), self.number(name, by_generation, 0)
        gone = generation not in (None, self.objects.get(name, (0,))[0])
        expected = self.missing(name) or (404 if gone else None) or self.refusal(name, conditions)
        try:
            self.cloud.objects.delete(Source("bucket", name, generation, conditions))
        except ApiError as error:
            assert error.status == expected
            return
        assert expected is None
        del self.objects[name]

    @rule(name=st.sampled_from(["a", "c", "e"]), content=CONTENTS)
    def write_a_file(self, name: str, content: bytes) -> None:
        path = self.settings.buckets / "bucket" / name
        if path.is_dir():
            return
        new = self.home / "new"
        new.write_bytes(content)
        new.rename(path)
        stored = self.cloud.objects.get(Source("bucket", name, None, Preconditions()))
        self.note(name, stored.generation, content)

    @rule()
    def restart(self) -> None:
        self.cloud.database.close()
        self.cloud = open_cloud(self.settings)

    @invariant()
    def all_is_as_it_must_be(self) -> None:
        page = self.cloud.objects.page("bucket", Listing())
        found = {}
        for stored in page.items:
            _, file = self.cloud.objects.open(
                Source("bucket", stored.name, stored.generation, Preconditions())
            )
            with file:
                found[stored.name] = (stored.generation, stored.metageneration, file.read())
        assert list(found) == sorted(self.objects)
        assert found == self.objects

    def note(self, name: str, generation: int, content: bytes) -> None:
        assert generation > self.newest
        self.newest = generation
        self.objects[name] = (generation, 1, content)

    def number(self, name: str, wanted: str | None, which: int) -> int | None:
        current = self.objects[name][:2][which] if name in self.objects else 77
        return None if wanted is None else {"zero": 0, "current": current, "other": current + 1}[wanted]

    def conditions(self, name: str, wanted: tuple[str | None, ...]) -> Preconditions:
        return replace(
            Preconditions(),
            generation_match=self.number(name, wanted[0], 0),
            generation_not_match=self.number(name, wanted[1], 0),
            metageneration_match=self.number(name, wanted[2], 1),
            metageneration_not_match=self.number(name, wanted[3], 1),
        )

    def missing(self, name: str) -> int | None:
        return None if name in self.objects else 404

    def refusal(self, name: str, asked: Preconditions) -> int | None:
        generation, metageneration = self.objects[name][:2] if name in self.objects else (0, None)
        if asked.generation_match is not None and asked.generation_match != generation:
            return 412
        if asked.metageneration_match is not None and asked.metageneration_match != metageneration:
            return 412
        if asked.generation_not_match is not None and asked.generation_not_match in (
            generation,
            *self.any(name),
        ):
            return 304
        if asked.metageneration_not_match is not None and (
            metageneration is None or asked.metageneration_not_match == metageneration
        ):
            return 304
        return None

    def any(self, name: str) -> tuple[int, ...]:
        """Generations that a NotMatch fails for where there is no object: every one."""
        return () if name in self.objects else (77, 78)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=40, stateful_step_count=25)
