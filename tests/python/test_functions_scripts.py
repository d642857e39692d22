"""Scripts that ask a real engine, on a real Alpine root."""

import asyncio
import os
import subprocess
import sys
import textwrap

import pytest

import rootlet.functions as dagger
from rootlet.functions import dag


@pytest.fixture
def script():
    """Runs a coroutine function with an engine."""

    def run(main):
        async def connected():
            async with dagger.connection():
                return await main()

        return asyncio.run(connected())

    return run


def test_errors_of_commands_and_others(script, alpine):
    async def main():
        container = dag.container().from_(alpine)
        with pytest.raises(dagger.ExecError) as caught:
            await container.with_exec(["sh", "-c", "echo out; echo Skipped! >&2; exit 5"]).sync()
        error = caught.value
        assert (error.exit_code, error.stdout, error.stderr) == (5, "out\n", "Skipped!\n")
        assert error.command[:2] == ["sh", "-c"]
        any_way = container.with_exec(["sh", "-c", "echo x; exit 3"], expect=dagger.ReturnType.ANY)
        assert (await any_way.stdout(), await any_way.exit_code()) == ("x\n", 3)
        with pytest.raises(dagger.QueryError) as caught:
            await dag.container().from_("tar:/no/such.tar").with_exec(["true"]).sync()
        assert not isinstance(caught.value, dagger.ExecError)

    script(main)


def test_directories_and_files(script, alpine):
    async def main():
        first = dag.directory().with_new_file("a", "1").with_new_file("d/b", "2", permissions=0o600)
        second = first.with_new_file("a", "3").without_file("d/b").with_new_file("c", "4")
        changes = second.changes(first)
        assert (await changes.added_paths(), await changes.modified_paths()) == (["c"], ["a"])
        assert "d/b" in await changes.removed_paths() and not await changes.is_empty()
        assert await first.diff(second).file("c").contents() == "4"
        assert await first.filter(include=["d/*"]).glob("**") == ["d/", "d/b"]
        stat = first.stat("d/b")
        assert (await stat.permissions(), await stat.size()) == (0o600, 1)
        assert await stat.file_type() is dagger.FileType.REGULAR
        assert await first.exists("d", expected_type=dagger.ExistsType.DIRECTORY_TYPE)
        assert (
            await first.digest()
            == await dag.directory().with_new_file("d/b", "2", permissions=0o600).with_new_file("a", "1").digest()
        )
        file = dag.file("name", "one\ntwo\nthree\n")
        assert (await file.name(), await file.size(), await file.contents(offset_lines=1, limit_lines=1)) == (
            "name",
            14,
            "two\n",
        )
        container = dag.container().from_(alpine).with_files("/in", [file, file.with_name("other")], owner="nobody")
        assert (
            await container.with_exec(["stat", "-c", "%n %U", "/in/name", "/in/other"]).stdout()
            == "/in/name nobody\n/in/other nobody\n"
        )

    script(main)


def test_values_that_stand_on_many_others(script, alpine):
    """Each step takes a file of the container before: what is told is nested as deeply."""

    async def main():
        container = dag.container().from_(alpine)
        for n in range(20):
            container = (
                dag.container().from_(alpine).with_file(f"/{n}", container.with_new_file("/x", str(n)).file("/x"))
            )
        return await container.with_exec(["cat", "/19"]).stdout()

    assert script(main) == "19"


def test_a_script_of_ones_own(tmp_path, alpine):
    (tmp_path / "script.py").write_text(
        textwrap.dedent(
            f"""
            import asyncio, sys
            import dagger
            from dagger import dag

            async def test():
                async with dagger.connection(dagger.Config(log_output=sys.stderr)):
                    src = dag.host().directory(".")

                    async def version(name):
                        container = dag.container().from_({alpine!r}).with_directory("/src", src).with_workdir("/src")
                        print(name, await container.with_exec(["ls"]).stdout(), end="")

                    await asyncio.gather(*map(version, ["a", "b"]))

            asyncio.run(test())
            """
        )
    )
    package = os.path.dirname(dagger.__file__)
    path = os.pathsep.join([os.path.dirname(os.path.dirname(package)), os.path.join(package, "compat")])
    done = subprocess.run(
        [sys.executable, "script.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.splitlines()) == ["a script.py", "b script.py"]
