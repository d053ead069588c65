"""Runs go from any store into any other, through a file, as they were."""

from pathlib import Path

from dns_cutover.assembly import import_runs
from dns_cutover.store.memory import MemoryStore
from dns_cutover.store.open import open_store
from dns_cutover.store.portable import Journal, read_runs, runs_text
from tests.unit.test_runs import RUN


async def test_into_every_store_and_out_again(store, tmp_path: Path) -> None:
    """The file that comes out is the file that went in, and a second import adds nothing."""
    text = [t.encode() for t in runs_text([Journal("7f3a", RUN)])]
    assert [r.added for r in await import_runs(store, read_runs(text))] == [len(RUN)]
    assert [r.added for r in await import_runs(store, read_runs(text))] == [0]
    out = [t.encode() for t in runs_text([Journal("7f3a", await store.load("7f3a"))])]
    assert out == text
    for other in (MemoryStore(), open_store(str(tmp_path / "other"))):
        assert await other.append(RUN[:7])
        assert [r.added for r in await import_runs(other, read_runs(out))] == [len(RUN) - 7]
        assert await other.load("7f3a") == RUN
        await other.close()
