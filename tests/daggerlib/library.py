"""A library written as the tutorial's is: of classes that are mixed together, which use each other."""

import json
from pathlib import Path
from typing import Annotated

import dagger
from dagger import DefaultPath, Ignore, dag, function, object_type

_PINS = Path(__file__).resolve().parent.parent / "pins.json"


class UserMixin:
    @function
    def named(self, ctr: dagger.Container, username: str | None = None, groups: list[str] = ()) -> dagger.Container:
        """A user of that name runs what comes."""
        username = username or self.default_username
        ctr = ctr.with_env_variable("HOME", f"/home/{username}").with_exec(
            ["sh", "-ec", f"addgroup {username} && adduser -D -G {username} {username}"]
        )
        for group in groups:
            ctr = ctr.with_exec(["adduser", username, group])
        return (
            ctr.with_env_variable("PATH", f"/home/{username}/.local/bin:$PATH", expand=True)
            .with_user(username)
            .with_workdir(f"/home/{username}")
        )


class ImageMixin:
    def pinned(self, tag: str) -> str:
        digest = json.loads(_PINS.read_text()).get(tag)
        return f"{tag}@{digest}" if digest else tag

    def image_tags(self) -> list[str]:
        names = [name for name in dir(type(self)) if name.startswith("_") and name.endswith("_image")]
        return [getattr(self, name) for name in sorted(names) if isinstance(getattr(type(self), name), property)]

    @function
    def base(self) -> dagger.Container:
        return dag.container().from_(self.pinned(self._base_image))

    @function
    def user3(self, groups: list[str] = ()) -> dagger.Container:
        return self.named(self.base(), groups=groups)

    @function
    async def tags(self) -> dagger.File:
        """Each image and what its system says it is."""
        said = {tag: (await self.base().with_exec(["cat", "/etc/hostname"]).stdout()).strip() for tag in self.image_tags()}
        return dag.directory().with_new_file("tags.json", json.dumps(said)).file("tags.json")

    @property
    def _base_image(self) -> str:
        return f"alpine:{self.alpine_version}"


class SourceMixin:
    @function
    def changed(
        self,
        src: Annotated[dagger.Directory, DefaultPath("."), Ignore(["**", "!src/*.py", "!*.sh", "!kept/"])],
        files: list[str] | None = None,
    ) -> dagger.Directory:
        """What a script of the sources changes in them, besides what it caches."""
        ctr = (
            self.base()
            .with_directory("/srv/src", src)
            .with_workdir("/srv/src")
            .with_directory("/srv/src/.git", dag.directory())
            .with_mounted_cache("/srv/src/.cache", dag.cache_volume("library-cache"))
        )
        before = ctr.directory("/srv/src")
        after = ctr.with_exec(["./change.sh", *(files or [])]).directory("/srv/src")
        return before.diff(after)

    @function
    async def owners(self) -> str:
        """What is missing above what is copied belongs to whom that is given."""
        tree = dag.directory().with_new_file(".git/x", "")
        ctr = self.user3().with_directory("/made/deep/.git", tree.directory(".git"), owner="sam:sam")
        ctr = ctr.with_directory("/made/deep", tree, owner="sam:sam").with_directory("/roots/deep", tree)
        return await ctr.with_exec(
            ["stat", "-c", "%U", "/made", "/made/deep", "/made/deep/.git/x", "/roots", "/roots/deep"]
        ).stdout()

    @function
    async def own_source(self, src: dagger.Directory | None = None) -> list[str]:
        if src is None:
            try:
                src = dag.current_module().source()
            except dagger.QueryError:
                src = dag.address(".").directory()
        return await src.entries()

    @function
    async def addressed(self) -> list[str]:
        file = await dag.address("change.sh").file().contents()
        secret = await dag.address("env://LIBRARY_SECRET").secret().plaintext()
        name = await dag.address("alpine:3.23").container().file("/etc/alpine-release").name()
        return [str(len(file) > 0), secret, name, await dag.address("x").value()]


class ServiceMixin:
    @function
    def privileged(self) -> dagger.Service:
        """It says what it may."""
        script = "grep -E '^(CapEff|Seccomp|NoNewPrivs):' /proc/self/status; ls -d /sys/kernel; wc -w < /etc/hosts"
        return (
            self.base()
            .with_new_file("/serve", f"#!/bin/sh\n({script}) > /said\nexec nc -lk -p $1 -e cat /said\n", permissions=0o755)
            .with_entrypoint(["/serve"])
            .with_default_args(["8080"])
            .with_exposed_port(8080)
            .as_service(use_entrypoint=True, insecure_root_capabilities=True)
        )

    @function
    async def asked(self) -> str:
        ctr = self.base().with_service_binding("power", self.privileged())
        return await ctr.with_exec(["nc", "power", "8080"]).stdout()


@object_type
class Library(UserMixin, ImageMixin, SourceMixin, ServiceMixin):
    alpine_version: str = "3.23"
    default_username: str = "sam"
