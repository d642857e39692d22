"""The package fakechroot, as it is published, doing what the suite does: a fresh chroot, one command, and its end. The second and
the third word are where it lies and the directory of its base; prints the seconds that each of a few took."""

import sys
import time

sys.path.insert(0, sys.argv[1])

from fakechroot import FakeChroot  # noqa: E402

for _ in range(3):
    begin = time.monotonic()
    chroot = FakeChroot.create_in_tempdir(sys.argv[2])
    chroot.build()
    code, out, err = chroot.check_call(["/bin/true"])
    if (code, out, err) != (0, b"", b""):
        raise SystemExit(f"{code} {out!r} {err!r}")
    chroot.destroy()
    print(time.monotonic() - begin)
