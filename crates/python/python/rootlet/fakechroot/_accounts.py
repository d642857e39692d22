"""Lines of account files, as the standard library's modules pwd, grp and spwd have them."""

from __future__ import annotations

from typing import NamedTuple


class struct_passwd(NamedTuple):
    """A line of ``/etc/passwd``."""

    pw_name: str
    pw_passwd: str
    pw_uid: int
    pw_gid: int
    pw_gecos: str
    pw_dir: str
    pw_shell: str


class struct_group(NamedTuple):
    """A line of ``/etc/group``."""

    gr_name: str
    gr_passwd: str
    gr_gid: int
    gr_mem: list[str]


class struct_spwd(NamedTuple):
    """A line of ``/etc/shadow``, its fields as they are written."""

    sp_nam: str
    sp_pwd: str
    sp_lastchg: str
    sp_min: str
    sp_max: str
    sp_warn: str
    sp_inact: str
    sp_expire: str
    sp_flag: str


class stat_result(NamedTuple):
    """What ``stat`` and ``lstat`` give; times in whole seconds."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_uid: int
    st_gid: int
    st_size: int
    st_atime: int
    st_mtime: int
    st_ctime: int


def fields(text: str) -> list[list[str]]:
    """The fields of all lines that have some."""
    return [line.split(":") for line in text.split("\n") if line.strip()]


def passwd(text: str) -> list[struct_passwd]:
    """All of a passwd file."""
    return [
        struct_passwd(name, word, int(uid), int(gid), gecos, home, shell)
        for name, word, uid, gid, gecos, home, shell in fields(text)
    ]


def group(text: str) -> list[struct_group]:
    """All of a group file."""
    return [
        struct_group(name, word, int(gid), members.split(",") if members else [])
        for name, word, gid, members in fields(text)
    ]


def shadow(text: str) -> list[struct_spwd]:
    """All of a shadow file."""
    return [struct_spwd(*line) for line in fields(text)]
