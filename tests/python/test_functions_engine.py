"""What Dagger's own documentation shows of modules in Python, on a real Alpine root."""

import json
import os
import subprocess
import textwrap

import pytest

COMMAND = os.environ.get("ROOTLET_BIN", "rootlet")


@pytest.fixture
def called(tmp_path, alpine):
    """Writes a module, and gives what calls it."""

    def write(code):
        (tmp_path / "rootlet.json").write_text('{"name": "my-module", "sdk": "python"}')
        source = tmp_path / "src/my_module/__init__.py"
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(textwrap.dedent(code).replace("ALPINE", repr(alpine)))

        def call(*words, fails=False, both=False, **environment):
            done = subprocess.run(
                [COMMAND, "call", *map(str, words)],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=300,
                env={**os.environ, **environment},
            )
            assert (done.returncode != 0) == fails, done.stdout + done.stderr
            return done if both else done.stderr if fails else done.stdout

        return call

    return write


def test_variables_by_a_callback(called):
    call = called(
        """
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def set_env(self) -> str:
                return await (
                    dag.container()
                    .from_(ALPINE)
                    .with_(self.variables([("ONE", "value 1"), ("TWO", "value 2")]))
                    .with_env_variable("BOTH", "$ONE, $TWO", expand=True)
                    .with_exec(["env"])
                    .stdout()
                )

            def variables(self, all: list[tuple[str, str]]):
                def inner(ctr: dagger.Container):
                    for name, value in all:
                        ctr = ctr.with_env_variable(name, value)
                    return ctr

                return inner
        """
    )
    lines = call("set-env").splitlines()
    assert {"ONE=value 1", "TWO=value 2", "BOTH=value 1, value 2"} <= set(lines)


def test_going_on_after_an_error(called):
    call = called(
        '''
        import dagger
        from dagger import DaggerError, dag, field, function, object_type

        SCRIPT = """#!/bin/sh
        echo "Test 1: PASS" >> report.txt
        echo "Test 2: FAIL" >> report.txt
        exit 1
        """

        @object_type
        class TestResult:
            report: dagger.File = field()
            exit_code: str = field()

        @object_type
        class MyModule:
            @function
            async def test(self) -> TestResult:
                try:
                    ctr = await (
                        dag.container()
                        .from_(ALPINE)
                        .with_new_file("run-tests", SCRIPT, permissions=0o750)
                        .with_exec(["sh", "-c", "/run-tests; echo -n $? > /exit_code"])
                        .sync()
                    )
                    report = ctr.file("report.txt")
                    exit_code = await ctr.file("exit_code").contents()
                    return TestResult(report=report, exit_code=exit_code)
                except DaggerError as e:
                    raise RuntimeError("Unexpected Dagger error") from e
        '''
    )
    assert call("test", "exit-code").strip() == "1"
    assert call("test", "report", "contents").strip() == "Test 1: PASS\nTest 2: FAIL"


def test_a_service_that_is_bound(called):
    call = called(
        """
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            @function
            def http_service(self) -> dagger.Service:
                answer = "printf 'HTTP/1.0 200 OK\\\\r\\\\n\\\\r\\\\nHello, world!'"
                return (
                    dag.container()
                    .from_(ALPINE)
                    .with_workdir("/srv")
                    .with_default_args(["nc", "-lk", "-p", "80", "-e", "sh", "-c", answer])
                    .with_exposed_port(80)
                    .as_service()
                )

            @function
            async def get(self) -> str:
                return await (
                    dag.container()
                    .from_(ALPINE)
                    .with_service_binding("www", self.http_service())
                    .with_exec(["wget", "-qO-", "http://www"])
                    .stdout()
                )

            @function
            async def get_twice(self) -> list[str]:
                service = await self.http_service().start()
                name = await service.endpoint(scheme="http")
                client = dag.container().from_(ALPINE).with_service_binding("www", service)
                both = [await client.with_exec(["wget", "-qO-", "http://www"]).stdout() for _ in range(2)]
                await service.stop()
                return [*both, str(name.startswith("http://"))]
        """
    )
    assert call("get").strip() == "Hello, world!"
    assert call("get-twice").split("\n")[:3] == ["Hello, world!", "Hello, world!", "True"]


def test_many_at_once_on_what_is_prepared_once(called, tmp_path):
    call = called(
        """
        import asyncio
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            source: dagger.Directory

            @function
            async def lint(self) -> str:
                return await self.environment().with_exec(["cat", "/src/a.txt"]).stdout()

            @function
            async def test(self) -> str:
                return await self.environment().with_exec(["ls", "/src"]).stdout()

            @function
            async def run_all(self) -> list[str]:
                return await asyncio.gather(self.lint(), self.test())

            @function
            def environment(self) -> dagger.Container:
                return (
                    dag.container()
                    .from_(ALPINE)
                    .with_directory("/src", self.source)
                    .with_mounted_cache("/var/cache/mine", dag.cache_volume("mine"))
                    .with_workdir("/src")
                    .with_exec(["sh", "-c", "cat /proc/sys/kernel/random/uuid > /made"])
                )
        """
    )
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("text")
    assert call("--source=in", "run-all").split() == ["text", "a.txt"]
    made = call("--source=in", "environment", "file", "--path=/made", "contents")
    assert call("--source=in", "environment", "file", "--path=/made", "contents") == made


def test_a_matrix_of_directories(called, tmp_path):
    call = called(
        """
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def build(self, src: dagger.Directory) -> dagger.Directory:
                outputs = dag.directory()
                base = dag.container().from_(ALPINE).with_directory("/src", src).with_workdir("/src")
                for system in ["linux", "darwin"]:
                    for machine in ["amd64", "arm64"]:
                        path = f"build/{system}/{machine}/"
                        build = base.with_env_variable("BOTH", f"{system}-{machine}").with_exec(
                            ["sh", "-c", f"mkdir -p {path}; cp input {path}; echo $BOTH > {path}/program"]
                        )
                        outputs = outputs.with_directory(path, build.directory(path))
                return await outputs
        """
    )
    (tmp_path / "input").write_text("in")
    call("build", "--src=.", "export", "--path=out")
    built = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert built == {
        f"build/{s}/{m}/{f}" for s in ("linux", "darwin") for m in ("amd64", "arm64") for f in ("input", "program")
    }
    assert (tmp_path / "out/build/darwin/arm64/program").read_text() == "darwin-arm64\n"
    assert call("build", "--src=.", "glob", "--pattern=**/program").split() == sorted(
        f for f in built if f.endswith("program")
    )


def test_secrets(called):
    call = called(
        """
        from typing import Annotated
        import dagger
        from dagger import Doc, dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def api(self, token: Annotated[dagger.Secret, Doc("API token")]) -> str:
                own = dag.set_secret("own", "own-secret")
                return await (
                    dag.container(platform=dagger.Platform("linux/amd64"))
                    .from_(ALPINE)
                    .with_secret_variable("TOKEN", token)
                    .with_mounted_secret("/run/own", own)
                    .with_exec(["sh", "-c", "printf %s $TOKEN | wc -c; wc -c < /run/own; echo $TOKEN >&2"])
                    .stdout()
                )
        """
    )
    said = call("api", "--token=env:MY_TOKEN", MY_TOKEN="hidden-token", both=True)
    assert said.stdout.split() == ["12", "10"] and "hidden-token" not in said.stderr


def test_constructors_and_what_they_hold(called):
    call = called(
        '''
        """An example module controlling constructor parameters."""

        import dataclasses
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            base: dagger.Container = dataclasses.field(init=False)
            variant: dataclasses.InitVar[str] = "one"

            def __post_init__(self, variant: str):
                self.base = dag.container().from_(ALPINE).with_env_variable("VARIANT", variant)

            @function
            def container(self) -> dagger.Container:
                return self.base
        '''
    )
    assert call("container", "env-variable", "--name=VARIANT").strip() == "one"
    assert call("--variant=two", "container", "env-variable", "--name=VARIANT").strip() == "two"


def test_objects_that_are_chained(called):
    call = called(
        """
        from typing import Annotated
        from dagger import Doc, function, object_type, field

        @object_type
        class Account:
            username: str = field()
            email: str = field()

            @function
            def url(self) -> str:
                return f"https://example.com/{self.username}"

        @object_type
        class Organization:
            url: str = field()
            members: list[Account] = field()

        @object_type
        class MyModule:
            @function
            def organization(self) -> Organization:
                members = [Account(username=name, email=f"{name}@example.com") for name in ("jane", "john")]
                return Organization(url="https://example.com", members=members)

            @function
            def account(self, name: str = "jane") -> Account:
                return Account(username=name, email="x")
        """
    )
    assert call("organization", "url").strip() == "https://example.com"
    assert call("account", "--name=sam", "url").strip() == "https://example.com/sam"
    members = json.loads(call("--json", "organization", "members"))
    assert [member.get("username", member.get("state", {}).get("username")) for member in members] == ["jane", "john"]


def test_arguments_of_all_sorts(called):
    call = called(
        """
        import enum
        from dagger import enum_type, function, object_type

        @enum_type
        class Severity(enum.Enum):
            LOW = "low"
            HIGH = "high"

        @object_type
        class MyModule:
            @function
            def scan(self, ref: str, severity: Severity, names: list[str], ratio: float = 0.5, quiet: bool = False) -> str:
                return f"{ref} {severity.name} {names} {ratio} {quiet}"
        """
    )
    assert call("scan", "--ref=x", "--severity=HIGH", "--names=a,b", "--quiet").strip() == "x HIGH ['a', 'b'] 0.5 True"
    assert "Severity" in call("scan", "--ref=x", "--severity=MIDDLE", "--names=a", fails=True)


def test_what_is_ignored_is_not_there(called, tmp_path):
    call = called(
        """
        from typing import Annotated
        import dagger
        from dagger import Ignore, dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def copied(self, source: Annotated[dagger.Directory, Ignore(["*", "!*.txt"])]) -> list[str]:
                return await dag.container().from_(ALPINE).with_directory("/in", source).directory("/in").entries()
        """
    )
    (tmp_path / "a.txt").write_text("")
    (tmp_path / "b.bin").write_text("")
    assert call("copied", "--source=.").split() == ["a.txt"]


def test_an_exception_shows_the_authors_lines_and_how_to_enter(called):
    call = called(
        """
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def fails(self) -> str:
                return await dag.container().from_(ALPINE).with_exec(["sh", "-c", "echo said >&2; exit 7"]).stdout()

            @function
            def raises(self) -> str:
                raise ValueError("of mine")
        """
    )
    said = call("fails", fails=True)
    assert "said" in said and "7" in said and "rootlet enter" in said
    said = call("raises", fails=True)
    assert "ValueError: of mine" in said and 'raise ValueError("of mine")' in said and "_run.py" not in said


def test_a_module_that_uses_another_one(called, tmp_path):
    library = tmp_path / "my-lib"
    (library / "src/my_lib").mkdir(parents=True)
    (library / "rootlet.json").write_text('{"name": "my-lib", "sdk": "python"}')
    call = called(
        """
        import dagger
        from dagger import dag, function, object_type

        @object_type
        class MyModule:
            @function
            async def all(self) -> list[str]:
                lib = dag.my_lib(version="2")
                container = lib.add(lib.base(user="sam"), "hello ")
                thing = await lib.thing("awaited")
                return [
                    await container.with_exec(["sh", "-c", "cat /text; echo $WHO"]).stdout(),
                    await lib.version(),
                    await thing.upper(),
                    *[await thing.name() for thing in await lib.things()],
                    await lib.files().file("f").contents(),
                    await (await lib.secret()).plaintext(),
                ]

            @function
            async def served(self) -> str:
                client = dag.my_lib().base().with_service_binding("web", await dag.my_lib().service())
                return await client.with_exec(["wget", "-qO-", "http://web"]).stdout()

            @function
            async def wrong(self) -> str:
                return await dag.my_lib().bas().stdout()
        """
    )
    source = (tmp_path / "src/my_module/__init__.py").read_text()
    called(
        """
        import dagger
        from dagger import dag, field, function, object_type

        @object_type
        class Thing:
            name: str = field()

            @function
            def upper(self) -> str:
                return self.name.upper()

        @object_type
        class MyLib:
            version: str = field(default="1")

            @function
            def base(self, user: str = "root") -> dagger.Container:
                return dag.container().from_(ALPINE).with_env_variable("WHO", user)

            @function
            def add(self, ctr: dagger.Container, text: str) -> dagger.Container:
                return ctr.with_new_file("/text", text)

            @function
            def thing(self, name: str) -> Thing:
                return Thing(name=name)

            @function
            def things(self) -> list[Thing]:
                return [Thing(name="a"), Thing(name="b")]

            @function
            def files(self) -> dagger.Directory:
                return dag.directory().with_new_file("f", "x")

            @function
            def secret(self) -> dagger.Secret:
                return dag.secret("env://MY_TOKEN")

            @function
            def service(self) -> dagger.Service:
                answer = "printf 'HTTP/1.0 200 OK\\\\r\\\\n\\\\r\\\\nserved'"
                args = ["nc", "-lk", "-p", "80", "-e", "sh", "-c", answer]
                return self.base().with_exposed_port(80).as_service(args=args)
        """
    )
    (tmp_path / "src/my_module/__init__.py").rename(library / "src/my_lib/__init__.py")
    (tmp_path / "src/my_module/__init__.py").write_text(source)
    subprocess.run([COMMAND, "install", "./my-lib"], cwd=tmp_path, check=True, capture_output=True)
    said = call("--json", "all", MY_TOKEN="told")
    assert json.loads(said) == ["hello sam\n", "2", "AWAITED", "a", "b", "x", "told"]
    assert call("served").strip() == "served"
    assert "did you mean 'base'?" in call("wrong", fails=True)
