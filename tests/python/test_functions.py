"""What values say to the engine, and what comes of the answers."""

import asyncio
import inspect
import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_engine import LIB, Engine

import rootlet
from rootlet import functions
from rootlet.functions import _session, dag


@pytest.fixture
def engine():
    """An engine in a thread, which `dag` asks."""
    ours, theirs = socket.socketpair()
    fake = Engine()
    thread = fake.begin(ours)
    session = _session.current = _session.Session(theirs.detach())
    session.modules = {"lib": LIB}
    yield fake
    _session.current = None
    session.close()
    thread.join()


def asked(engine, question):
    """What is asked by something, as the engine hears it."""
    engine.asked.clear()
    asyncio.run(_awaited(question))
    return engine.asked[-1]


async def _awaited(question):
    return await question


def steps(engine, container):
    return asked(engine, container.sync())["on"]["steps"]


def test_steps_are_told_as_they_are_written(engine):
    container = (
        dag.container()
        .from_("alpine:3.23")
        .with_user("sam")
        .with_exec(["sh", "-c", "id"], stdin="x", expect=functions.ReturnType.ANY)
        .with_new_file("/empty", "", permissions=0o600, owner="sam:sam")
        .with_env_variable("EMPTY", "")
        .with_mounted_cache("/c", dag.cache_volume("k"), sharing=functions.CacheSharingMode.LOCKED)
        .with_mounted_secret("/s", dag.secret("env://TOKEN"))
        .with_exposed_port(80)
    )
    assert steps(engine, container) == [
        {"do": "from", "address": "alpine:3.23"},
        {"do": "with_user", "name": "sam"},
        {"do": "with_exec", "args": ["sh", "-c", "id"], "stdin": "x", "expect": "ANY"},
        {"do": "with_new_file", "path": "/empty", "contents": "", "permissions": 0o600, "owner": "sam:sam"},
        {"do": "with_env_variable", "name": "EMPTY", "value": ""},
        {"do": "with_mounted_cache", "path": "/c", "cache": {"$": "CacheVolume", "key": "k"}, "sharing": "LOCKED"},
        {"do": "with_mounted_secret", "path": "/s", "source": {"$": "Secret", "uri": "env://TOKEN"}, "mode": 0o400},
        {"do": "with_exposed_port", "port": 80, "protocol": "TCP"},
    ]


def test_a_value_is_never_changed(engine):
    base = dag.container().from_("x")
    one, two = base.with_exec(["one"]), base.with_exec(["two"])
    assert len(steps(engine, base)) == 1
    assert [steps(engine, c)[-1]["args"] for c in (one, two)] == [["one"], ["two"]]


def test_files_and_directories_say_where_they_are_from(engine):
    container = dag.container().from_("x")
    origin = {"$": "Container", "steps": [{"do": "from", "address": "x"}]}
    for made, value in {
        container.directory("/d").file("f"): {
            "$": "File",
            "from": {"directory": {"$": "Directory", "from": {"container": origin, "path": "/d"}}, "path": "f"},
        },
        container.file("/f").with_name("g"): {"$": "File", "from": {"container": origin, "path": "/f"}, "name": "g"},
        container.as_tarball(): {"$": "File", "from": {"tarball": origin}},
        container.rootfs(): {"$": "Directory", "from": {"container": origin, "path": "/"}},
        dag.host().directory(".", exclude=["*.pyc"]): {
            "$": "Directory",
            "from": {"host": {"path": ".", "exclude": ["*.pyc"]}},
        },
        dag.file("n", "text"): {"$": "File", "from": {"new": {"name": "n", "contents": "text", "permissions": 0o644}}},
        dag.directory().with_new_file("a", "b").filter(include=["a"]): {
            "$": "Directory",
            "steps": [
                {"do": "with_new_file", "path": "a", "contents": "b", "permissions": 0o644},
                {"do": "filter", "include": ["a"]},
            ],
        },
        container.as_service(args=["httpd"]).with_hostname("web"): {
            "$": "Service",
            "container": origin,
            "args": ["httpd"],
            "hostname": "web",
        },
    }.items():
        assert asked(engine, made.hostname() if isinstance(made, functions.Service) else made.sync())["on"] == value


def test_services_are_asked_and_serve(engine):
    engine.answers = {"endpoint": "http://web:80", "ports": [{"port": 80, "protocol": "TCP"}]}
    service = dag.container().with_exposed_port(80).as_service()
    assert asyncio.run(_awaited(service.endpoint(port=80, scheme="http"))) == "http://web:80"
    assert engine.asked[-1]["with"] == {"port": 80, "scheme": "http"}
    assert asked(engine, service.up(ports=[functions.PortForward(backend=80, frontend=8080)]))["with"] == {
        "ports": [{"frontend": 8080, "backend": 80}]
    }
    assert asked(engine, service.up(random=True))["with"] == {"ports": [{"frontend": 0, "backend": 80}]}
    assert asked(engine, service.up())["with"] == {}
    assert asked(engine, service.stop(kill=True))["with"] == {"kill": True}
    assert asked(engine, service.sync())["on"]["$"] == "Container"
    with pytest.raises(TypeError, match="ports has to be"):
        asked(engine, service.up(ports=[80]))


def test_changes_of_directories(engine):
    before, after = dag.directory(), dag.directory().with_new_file("a", "b")
    engine.answers["added_paths"] = ["a"]
    changes = after.changes(before)
    assert asyncio.run(_awaited(changes.added_paths())) == ["a"]
    assert engine.asked[-1]["on"]["$"] == "Changeset"
    assert asked(engine, changes.layer().sync())["on"]["steps"][0]["do"] == "diff"


def test_answers_are_of_their_types(engine):
    engine.answers = {
        "stdout": "sam\n",
        "exit_code": 3,
        "env_variable": None,
        "env_variables": [{"name": "A", "value": "b"}],
        "exposed_ports": [{"port": 53, "protocol": "UDP", "description": None}],
        "stat": {"name": "f", "size": 7, "permissions": 0o644, "file_type": "REGULAR_TYPE"},
        "platform": "linux/amd64",
    }
    container = dag.container()

    async def ask():
        assert await container.stdout() == "sam\n"
        assert await container.exit_code() == 3
        assert await container.env_variable("A") is None
        (variable,) = await container.env_variables()
        assert (await variable.name(), await variable.value()) == ("A", "b")
        (port,) = await container.exposed_ports()
        assert (await port.port(), await port.protocol()) == (53, functions.NetworkProtocol.UDP)
        stat = container.stat("/f")
        assert (await stat.size(), await stat.file_type()) == (7, functions.FileType.REGULAR)
        assert isinstance(await container.platform(), functions.Platform)
        assert await container is container

    asyncio.run(ask())
    assert [one["ask"] for one in engine.asked].count("stat") == 1


def test_many_things_are_asked_at_once():
    ours, theirs = socket.socketpair()
    session = _session.current = _session.Session(theirs.detach())

    async def ask():
        tasks = [asyncio.create_task(dag.container().with_exec([str(n)]).stdout()) for n in range(50)]
        await asyncio.sleep(0)
        heard = b""
        while heard.count(b"\n") < 50:
            heard += ours.recv(1 << 20)
        # Answered in another order than they were asked in.
        for line in reversed(heard.splitlines()):
            said = json.loads(line)
            ours.sendall(json.dumps({"id": said["id"], "answer": said["on"]["steps"][0]["args"][0]}).encode() + b"\n")
        return await asyncio.gather(*tasks)

    try:
        assert asyncio.run(ask()) == [str(n) for n in range(50)]
    finally:
        _session.current = None
        session.close()
        ours.close()


def test_megabytes_go_both_ways(engine):
    large = "x" * (8 << 20)
    engine.answers["contents"] = lambda said: said["on"]["from"]["new"]["contents"]

    async def ask():
        files = [dag.file("f", large + str(n)) for n in range(4)]
        return await asyncio.gather(*(file.contents() for file in files))

    assert asyncio.run(ask()) == [large + str(n) for n in range(4)]


def test_without_an_event_loop_a_question_waits_for_its_answer(engine):
    engine.answers["stdout"] = "x"
    coroutine = dag.container().stdout()
    with pytest.raises(StopIteration) as done:
        coroutine.send(None)
    assert done.value.value == "x"


def test_threads_ask_one_after_the_other(engine):
    engine.answers["contents"] = lambda said: said["on"]["from"]["new"]["contents"]

    def ask(n):
        with pytest.raises(StopIteration) as done:
            dag.file("f", str(n)).contents().send(None)
        return done.value.value

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(200))) == [str(n) for n in range(200)]


def test_who_does_not_wait_any_more_harms_nobody(engine):
    engine.answers = {"stdout": engine.NEVER, "stderr": "y"}

    async def ask():
        task = asyncio.create_task(dag.container().stdout())
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        # Whoever has answered this has read what was said before.
        return await dag.container().stderr()

    assert asyncio.run(ask()) == "y"
    assert engine.cancelled == [1]


def test_a_failing_command_is_an_exec_error(engine):
    failed = {"kind": "exec", "message": "`false` ended with 1", "hint": "rootlet enter 7", "command": ["false"]}
    engine.answers["stdout"] = {"error": {**failed, "exit_code": 1, "stdout": "out", "stderr": "err"}}
    with pytest.raises(functions.ExecError, match="ended with 1") as caught:
        asyncio.run(_awaited(dag.container().stdout()))
    error = caught.value
    assert (error.command, error.exit_code, error.stdout, error.stderr) == (["false"], 1, "out", "err")
    assert error.hint == "rootlet enter 7" and isinstance(error, functions.QueryError)


def test_an_engine_that_ended_is_said(engine):
    def close(said):
        raise BrokenPipeError

    engine.answers["stdout"] = close
    with pytest.raises(functions.TransportError, match="ended"):
        asyncio.run(_awaited(dag.container().stdout()))
    with pytest.raises(functions.TransportError, match="ended"):
        asyncio.run(_awaited(dag.container().stderr()))


def test_secrets_are_told_once_and_never_written_down(engine):
    engine.answers["set_secret"] = lambda said: {"$": "Secret", "name": said["with"]["name"]}
    secret = dag.set_secret("token", "very secret")
    container = dag.container().with_secret_variable("TOKEN", secret)
    assert steps(engine, container) == [
        {"do": "with_secret_variable", "name": "TOKEN", "secret": {"$": "Secret", "name": "token"}}
    ]
    assert "very secret" not in repr(secret) + repr(container)
    with pytest.raises(TypeError) as caught:
        dag.set_secret("token", b"very secret")
    assert "very secret" not in str(caught.value)


def test_modules_are_called_lazily(engine):
    engine.answers["call"] = "answer"
    container = dag.lib(default_username="bob").alpine_user(uid=2000)
    call = {"$": "Call", "module": "lib", "constructor": {"default_username": "bob"}}
    assert steps(engine, container.with_exec(["id"]))[0] == {
        "do": "call",
        "call": {**call, "calls": [{"function": "alpine_user", "args": {"uid": 2000}}]},
    }
    asyncio.run(_awaited(dag.lib().user("sam").home()))
    assert engine.asked[-1] == {
        "id": engine.asked[-1]["id"],
        "ask": "call",
        "on": {
            "$": "Call",
            "module": "lib",
            "calls": [{"function": "user", "args": {"name": "sam"}}, {"function": "home", "args": {}}],
        },
        "with": {},
    }
    assert asyncio.run(_awaited(dag.lib().timezone())) == "answer"
    assert asyncio.run(_awaited(dag.lib().from_(import_="x"))) == "answer"
    assert asked(engine, dag.lib().alpine_tz().entries())["on"]["from"]["call"]["calls"][0]["function"] == "alpine_tz"
    engine.answers["call"] = [{"$": "Object", "module": "lib", "type": "User", "state": {"uid": 5}}]
    (user,) = asyncio.run(_awaited(dag.lib().users()))
    assert asked(engine, user.uid())["on"]["on"]["state"] == {"uid": 5}


def test_modules_are_called_as_they_are_declared(engine):
    lib = dag.lib()
    for wrong, message in {
        lambda: lib.alpine_users(): "did you mean 'alpine_user'",
        lambda: lib.alpine_user(uid="1"): "uid has to be Integer, not str '1'",
        lambda: lib.alpine_user(uid=True): "uid has to be Integer",
        lambda: lib.alpine_user(user=1): "no argument 'user'",
        lambda: lib.alpine_user(1): "without a name",
        lambda: lib.setup_user(): "missing ctr",
        lambda: lib.setup_user(dag.container(), ctr=dag.container()): "given twice",
        lambda: lib.setup_user(dag.directory()): "ctr has to be Container, not a Directory",
        lambda: dag.libs(): "did you mean 'lib'",
        lambda: dag.contaner(): "did you mean 'container'",
    }.items():
        with pytest.raises((TypeError, AttributeError), match=message):
            wrong()


def test_wrong_types_are_said_where_they_are_given():
    container = dag.container()
    for wrong, message in {
        lambda: container.with_exec("id"): r"Container.with_exec: args has to be list\[str\], not str 'id'",
        lambda: container.with_exec(["id", 1]): r"args has to be list\[str\]",
        lambda: container.with_exec(["id"], stdin=b"x"): "stdin has to be str | None",
        lambda: container.with_exec(["id"], expect="ANY"): "expect has to be ReturnType",
        lambda: container.with_file("/f", dag.directory()): "source has to be File, not a Directory",
        lambda: container.with_new_file("/f", "", permissions="644"): "permissions has to be int",
        lambda: container.with_exposed_port("80"): "port has to be int",
        lambda: container.with_exposed_port(True): "port has to be int",
        lambda: container.file(1): "path has to be str",
        lambda: container.with_exce(["id"]): "did you mean 'with_exec'",
        lambda: dag.host().directory(None): "path has to be str",
        lambda: dag.directory().diff(None): "other has to be Directory",
    }.items():
        with pytest.raises((TypeError, AttributeError), match=message):
            wrong()


def test_what_is_not_done_is_refused():
    for wrong in [
        lambda: dag.container().with_exec(["id"], experimental_privileged_nesting=True),
        lambda: dag.container(platform=functions.Platform("linux/arm64")),
        lambda: dag.directory().filter(gitignore=True),
    ]:
        with pytest.raises(functions.InvalidQueryError, match="nothing that rootlet does"):
            wrong()


def test_this_machines_platform_is_none_of_others(engine):
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    assert steps(engine, dag.container(platform=functions.Platform(f"linux/{machine}"))) == []


def test_bad_texts_and_numbers_are_no_message(engine):
    for value in ["\ud800", "x" + "\udcff"]:
        with pytest.raises(functions.InvalidQueryError, match="no Unicode"):
            asyncio.run(_awaited(dag.container().from_(value).stdout()))
    nested = dag.container()
    for _ in range(5000):
        nested = dag.container().with_rootfs(nested.rootfs())
    with pytest.raises(functions.InvalidQueryError, match="too deeply"):
        asyncio.run(_awaited(nested.stdout()))
    # The conversation goes on.
    engine.answers["stdout"] = "x"
    assert asyncio.run(_awaited(dag.container().stdout())) == "x"


def test_without_a_session_nobody_is_asked():
    with pytest.raises(functions.ClientConnectionError, match="rootlet call"):
        asyncio.run(_awaited(dag.container().stdout()))


def test_values_are_loaded_from_their_ids(engine):
    container = dag.container().from_("x")
    again = dag.load_container_from_id(asyncio.run(_awaited(container.id())))
    assert steps(engine, again) == steps(engine, container)
    with pytest.raises(ValueError, match="no Container"):
        dag.load_container_from_id('{"$": "Directory"}')


def test_the_package_has_the_names_too():
    assert rootlet._FUNCTIONS == set(functions.__all__)
    assert rootlet.dag is dag and rootlet.function is functions.function
    with pytest.raises(AttributeError):
        rootlet.no_such_name


@pytest.mark.parametrize(
    "kind", [functions.Container, functions.Directory, functions.File, functions.Service, functions.Client]
)
def test_everything_is_documented(kind):
    public = {name: value for name, value in vars(kind).items() if not name.startswith("_") and callable(value)}
    assert [name for name, value in public.items() if not inspect.getdoc(value)] == []
