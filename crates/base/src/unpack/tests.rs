//! What becomes of a tar's entries, seen by a sink that only writes them down.

use super::entries::{self, Sink};
use super::lower::Lower;
use super::stream::LayerStream;
use super::tar::TarReader;
use crate::progress::{Silent, Step, Task};
use crate::resolve::Limits;
use crate::store::About;
use crate::{Digest, Error, ErrorKind};
use rootlet_kernel::{IdMap, IdRange, Meta, TreeError};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tar::Header;

/// Writes down each call as a line.
#[derive(Default)]
struct Recorder(Vec<String>);

impl Recorder {
    fn add(&mut self, what: &str, path: &[u8], meta: &Meta, rest: &str) -> Result<(), TreeError> {
        let path = if path.is_empty() { "/".into() } else { String::from_utf8_lossy(path) };
        let mut line = format!("{what} {path} {:o} {}:{}", meta.mode, meta.uid, meta.gid);
        for (name, value) in &meta.xattrs {
            line += &format!(" {}={}", name.escape_ascii(), value.escape_ascii());
        }
        self.0.push(line + rest);
        Ok(())
    }

    fn plain(&mut self, line: String) -> Result<(), TreeError> {
        self.0.push(line);
        Ok(())
    }
}

impl Sink for Recorder {
    fn directory(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.add("dir", path, meta, "")
    }
    fn file(&mut self, path: &[u8], meta: &Meta, size: u64, data: &mut dyn Read) -> Result<(), TreeError> {
        let mut bytes = Vec::new();
        let read = data.take(size).read_to_end(&mut bytes);
        read.map_err(|source| TreeError { path: path.into(), source })?;
        let text = match bytes.len() {
            0..100 => format!(" {}", bytes.escape_ascii()),
            long => format!(" {long} bytes"),
        };
        self.add("file", path, meta, &text)
    }
    fn symlink(&mut self, path: &[u8], target: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.add(
            "symlink",
            path,
            &Meta { mode: 0o777, ..meta.clone() },
            &format!(" {}", target.escape_ascii()),
        )
    }
    fn hard_link(&mut self, path: &[u8], existing: &[u8]) -> Result<(), TreeError> {
        self.plain(format!("link {} {}", path.escape_ascii(), existing.escape_ascii()))
    }
    fn fifo(&mut self, path: &[u8], meta: &Meta) -> Result<(), TreeError> {
        self.add("fifo", path, meta, "")
    }
    fn whiteout(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.plain(format!("whiteout {}", path.escape_ascii()))
    }
    fn opaque(&mut self, path: &[u8]) -> Result<(), TreeError> {
        self.plain(format!("opaque {}", path.escape_ascii()))
    }
}

/// A tar, built entry by entry, with whatever is asked in it.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn raw(mut self, kind: u8, name: &[u8], link: &[u8], mode: u32, id: (u64, u64), data: &[u8]) -> Self {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link);
        header.as_old_mut().linkflag = [kind];
        header.set_mode(mode);
        header.set_uid(id.0);
        header.set_gid(id.1);
        header.set_mtime(1);
        header.set_size(data.len() as u64);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.data(data)
    }
    fn data(mut self, data: &[u8]) -> Self {
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }
    fn file(self, name: &str, data: &str) -> Self {
        self.raw(b'0', name.as_bytes(), b"", 0o644, (0, 0), data.as_bytes())
    }
    fn dir(self, name: &str) -> Self {
        self.raw(b'5', name.as_bytes(), b"", 0o755, (0, 0), b"")
    }
    fn symlink(self, name: &str, target: &str) -> Self {
        self.raw(b'2', name.as_bytes(), target.as_bytes(), 0o777, (0, 0), b"")
    }
    fn link(self, name: &str, target: &str) -> Self {
        self.raw(b'1', name.as_bytes(), target.as_bytes(), 0o644, (0, 0), b"")
    }
    fn pax(self, records: &[(&str, &[u8])]) -> Self {
        let mut data = Vec::new();
        for (key, value) in records {
            let rest = key.len() + value.len() + 3;
            let digits = (rest + (rest + 4).to_string().len()).to_string().len();
            data.extend_from_slice(format!("{} {key}=", rest + digits).as_bytes());
            data.extend_from_slice(value);
            data.push(b'\n');
        }
        self.raw(b'x', b"pax", b"", 0o644, (0, 0), &data)
    }
    fn end(mut self) -> Vec<u8> {
        self.0.resize(self.0.len() + 1024, 0);
        self.0
    }
}

fn map() -> IdMap {
    let ranges = vec![IdRange { inside: 0, outside: 100_000, count: 65_536 }];
    IdMap::new(ranges.clone(), ranges)
}

fn unpack_on(
    layers: &[PathBuf],
    bytes: &[u8],
    limits: Limits,
    map: &IdMap,
) -> Result<(Vec<String>, About), Error> {
    let task = Task::begin(&Silent, "test", Step::Unpack, None);
    let mut tar = TarReader::new(LayerStream::new(bytes, limits, &task)?);
    let mut sink = Recorder::default();
    let lower = Lower { paths: layers, map };
    let about = entries::unpack(&mut tar, &mut sink, Digest::of(b"test"), map, &lower, &limits)?;
    tar.into_inner().finish()?;
    Ok((sink.0, about))
}

fn unpack(tar: Tar) -> Result<Vec<String>, Error> {
    unpack_on(&[], &tar.end(), Limits::default(), &map()).map(|(lines, _)| lines)
}

#[track_caller]
fn refused(tar: Tar, kind: ErrorKind) {
    let error = unpack(tar).unwrap_err();
    assert_eq!(error.kind(), kind, "{error}");
}

#[test]
fn makes_what_a_tar_says() {
    let tar = Tar::default()
        .raw(b'5', b"./", b"", 0o700, (5, 6), b"")
        .dir("./bin/")
        .raw(b'0', b"bin/su", b"", 0o4755, (0, 0), b"su")
        .raw(b'7', b"bin/cat", b"", 0o755, (1000, 100), b"cat")
        .raw(0, b"old/", b"", 0o755, (0, 0), b"")
        .symlink("bin/sh", "/bin/../su")
        .link("bin/ls", "/bin/su")
        .raw(b'6', b"fifo", b"", 0o600, (0, 0), b"")
        .raw(b'g', b"global", b"", 0, (0, 0), b"20 comment=whatever\n")
        .raw(b'V', b"volume", b"", 0, (0, 0), b"");
    assert_eq!(
        unpack(tar).unwrap(),
        [
            "dir / 755 5:6",
            "dir bin 755 0:0",
            "file bin/su 4755 0:0 su",
            "file bin/cat 755 1000:100 cat",
            "dir old 755 0:0",
            "symlink bin/sh 777 0:0 /bin/../su",
            "link bin/ls bin/su",
            "fifo fifo 600 0:0",
        ]
    );
}

#[test]
fn refuses_what_no_honest_layer_holds() {
    use ErrorKind::{Hostile, Unsupported};
    refused(Tar::default().file("../etc/passwd", ""), Hostile);
    refused(Tar::default().file("a/../../etc/passwd", ""), Hostile);
    refused(Tar::default().dir("a/.."), Hostile);
    refused(Tar::default().symlink(".", "/etc"), Hostile);
    refused(Tar::default().symlink("/", "/etc"), Hostile);
    refused(Tar::default().file("./", "x"), Hostile);
    refused(Tar::default().link("/", "etc"), Hostile);
    refused(Tar::default().link("a", "../../etc/shadow"), Hostile);
    refused(Tar::default().symlink("a", ""), Hostile);
    refused(Tar::default().file(".wh.", ""), Hostile);
    refused(Tar::default().file("a/.wh...", ""), Hostile);
    refused(Tar::default().file("a/.wh..", ""), Hostile);
    refused(Tar::default().pax(&[("path", b"a\0b")]).file("a", ""), Hostile);
    refused(Tar::default().pax(&[("linkpath", b"a\0b")]).symlink("a", "b"), Hostile);
    refused(Tar::default().pax(&[("path", "x/".repeat(3000).as_bytes())]).file("a", ""), Hostile);
    refused(Tar::default().raw(b'0', b"a", b"", 0o644, (u64::from(u32::MAX), 0), b""), Hostile);
    refused(Tar::default().raw(b'0', b"a", b"", 0o644, (0, 1 << 40), b""), Hostile);
    refused(Tar::default().raw(b'Q', b"a", b"", 0o644, (0, 0), b""), Unsupported);
}

#[test]
fn absolute_names_begin_at_the_layers_root() {
    let tar = Tar::default().dir("/etc").file("//etc/./passwd", "x").link("/etc/shadow", "/etc/passwd");
    assert_eq!(
        unpack(tar).unwrap(),
        ["dir etc 755 0:0", "file etc/passwd 644 0:0 x", "link etc/shadow etc/passwd"]
    );
}

#[test]
fn device_nodes_are_left_out_and_counted() {
    let tar = Tar::default().dir("dev").raw(b'3', b"dev/null", b"", 0o666, (0, 0), b"").raw(
        b'4',
        b"dev/sda",
        b"",
        0o660,
        (0, 6),
        b"",
    );
    // 0:0 is overlayfs' own whiteout: not what a layer may say of itself.
    let tar = tar.raw(b'3', b"dev/gone", b"", 0, (0, 0), b"");
    let (lines, about) = unpack_on(&[], &tar.end(), Limits::default(), &map()).unwrap();
    assert_eq!(lines, ["dir dev 755 0:0"]);
    assert_eq!(about.devices, 3);
    assert_eq!(about.gids.len(), 1, "what is left out needs no id");
}

#[test]
fn keeps_only_harmless_xattrs() {
    let tar = Tar::default().pax(&[
        ("SCHILY.xattr.user.comment", b"a\nb\0c"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.trusted.overlay.redirect", b"/etc"),
        ("SCHILY.xattr.security.selinux", b"x"),
        ("SCHILY.xattr.security.capability", b"\x01"),
        ("SCHILY.xattr.system.posix_acl_access", b"x"),
    ]);
    assert_eq!(
        unpack(tar.file("a", "")).unwrap(),
        ["file a 644 0:0 user.comment=a\\nb\\x00c security.capability=\\x01 "]
    );
}

#[test]
fn a_value_with_newlines_is_not_taken_for_records() {
    let tar = Tar::default().pax(&[("SCHILY.xattr.user.x", b"1\n14 path=evil\n")]).file("good", "");
    assert_eq!(unpack(tar).unwrap(), ["file good 644 0:0 user.x=1\\n14 path=evil\\n "]);
}

#[test]
fn pax_records_win_and_empty_ones_take_back() {
    let long = "d/".repeat(120) + "f";
    let tar = Tar::default()
        .pax(&[("path", long.as_bytes()), ("uid", b"1000"), ("gid", b"50"), ("mtime", b"12.5")])
        .file("short", "x")
        .pax(&[("path", b"other"), ("path", b"")])
        .file("kept", "y");
    let lines = unpack(tar).unwrap();
    assert!(lines.contains(&format!("file {long} 644 1000:50 x")), "{lines:?}");
    assert_eq!(lines.last().unwrap(), "file kept 644 0:0 y");
    refused(Tar::default().pax(&[("uid", b"x")]).file("a", ""), ErrorKind::Corrupt);
    let broken = Tar::default().raw(b'x', b"pax", b"", 0, (0, 0), b"99 path=x\n").file("a", "");
    refused(broken, ErrorKind::Corrupt);
}

#[test]
fn reads_gnu_long_names() {
    let name = "n".repeat(200);
    let tar = Tar::default()
        .raw(b'L', b"././@LongLink", b"", 0, (0, 0), format!("{name}\0").as_bytes())
        .raw(b'K', b"././@LongLink", b"", 0, (0, 0), format!("{name}/t\0").as_bytes())
        .symlink("short", "short");
    assert_eq!(unpack(tar).unwrap(), [format!("symlink {name} 777 0:0 {name}/t")]);
}

#[test]
fn a_header_of_any_size_is_not_read_into_memory() {
    let mut tar = Tar::default().raw(b'L', b"././@LongLink", b"", 0, (0, 0), b"");
    let at = tar.0.len() - 512;
    let mut header = Header::from_byte_slice(&tar.0[at..]).clone();
    header.set_size(1 << 40);
    header.set_cksum();
    tar.0[at..].copy_from_slice(header.as_bytes());
    refused(tar, ErrorKind::Hostile);
}

#[test]
fn whiteouts_hide_the_layers_below_and_never_this_one() {
    let tar =
        Tar::default().dir("a").file("a/.wh.gone", "").file("a/.wh..wh..opq", "").file("a/.wh..wh.plnk", "");
    assert_eq!(unpack(tar).unwrap(), ["dir a 755 0:0", "whiteout a/gone", "opaque a"]);
    // A directory at a whiteout does not bring back what was there.
    let tar = Tar::default().file(".wh.d", "").dir("d").file("d/new", "x");
    assert_eq!(unpack(tar).unwrap(), ["whiteout d", "dir d 755 0:0", "opaque d", "file d/new 644 0:0 x"]);
    // Nor does it when the whiteout comes last, or when the directory has no entry.
    let tar = Tar::default().dir("d").file("f", "x").file(".wh.d", "").file(".wh.f", "");
    assert_eq!(unpack(tar).unwrap(), ["dir d 755 0:0", "file f 644 0:0 x", "opaque d"]);
    let tar = Tar::default().file(".wh.d", "").file("d/new", "x");
    assert_eq!(unpack(tar).unwrap(), ["whiteout d", "dir d 755 0:0", "opaque d", "file d/new 644 0:0 x"]);
    // An opaque root leaves out all layers below.
    let tar = Tar::default().file(".wh..wh..opq", "").file("f", "");
    let (lines, about) = unpack_on(&[], &tar.end(), Limits::default(), &map()).unwrap();
    assert_eq!((lines, about.hides_lower), (vec!["file f 644 0:0 ".to_owned()], true));
}

#[test]
fn a_missing_parent_is_as_in_the_layers_below() {
    let lower = tempfile::tempdir().unwrap();
    let dir = |name: &str, mode| {
        std::fs::create_dir(lower.path().join(name)).unwrap();
        std::fs::set_permissions(lower.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
    };
    dir("tmp", 0o1777);
    dir("tmp/deep", 0o700);
    std::os::unix::fs::symlink("/etc", lower.path().join("link")).unwrap();
    let me = rustix::process::geteuid().as_raw();
    let ranges = vec![IdRange { inside: 0, outside: me, count: 1 }];
    let map = IdMap::new(ranges.clone(), ranges);
    let on = |tar: Tar| unpack_on(&[lower.path().to_owned()], &tar.end(), Limits::default(), &map).unwrap();
    let (lines, about) = on(Tar::default().file("tmp/deep/f", "").file("new/f", "").file("link/f", ""));
    assert_eq!(
        lines,
        [
            "dir tmp 1777 0:0",
            "dir tmp/deep 700 0:0",
            "file tmp/deep/f 644 0:0 ",
            "dir new 755 0:0",
            "file new/f 644 0:0 ",
            "dir link 755 0:0",
            "file link/f 644 0:0 ",
        ]
    );
    assert!(about.leans_on_lower);
    // Not through what this layer hides.
    let (lines, _) = on(Tar::default().file(".wh.tmp", "").file("tmp/deep/f", ""));
    assert_eq!(lines[1..4], ["dir tmp 755 0:0", "opaque tmp", "dir tmp/deep 755 0:0"]);
    let (_, about) = on(Tar::default().dir("tmp").file("tmp/f", ""));
    assert!(!about.leans_on_lower);
}

#[test]
fn an_entry_below_a_symlink_of_the_layer_goes_through_it() {
    let tar = Tar::default().dir("usr").dir("usr/lib").symlink("lib", "usr/lib").file("lib/x", "");
    assert_eq!(unpack(tar).unwrap()[2..], ["symlink lib 777 0:0 usr/lib", "file lib/x 644 0:0 "]);
}

#[test]
fn an_id_outside_the_map_is_named_with_its_file() {
    let tar = Tar::default().file("ok", "").raw(b'0', b"home/x", b"", 0o644, (70_000, 0), b"");
    let error = unpack(tar).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnmappedId);
    assert!(error.to_string().contains("`home/x` belongs to user 70000"), "{error}");
}

#[test]
fn reads_sparse_files_of_all_formats() {
    let data = "A".repeat(512) + "B";
    let whole = format!("file s 644 0:0 {} bytes", 4096 + 513);
    let map = "0,512,4608,1";
    for (records, stored) in [
        (vec![("GNU.sparse.map", map), ("GNU.sparse.size", "4609"), ("GNU.sparse.name", "s")], data.clone()),
        (
            vec![
                ("GNU.sparse.numblocks", "2"),
                ("GNU.sparse.size", "4609"),
                ("GNU.sparse.offset", "0"),
                ("GNU.sparse.numbytes", "512"),
                ("GNU.sparse.offset", "4608"),
                ("GNU.sparse.numbytes", "1"),
                ("path", "s"),
            ],
            data.clone(),
        ),
        (
            vec![
                ("GNU.sparse.major", "1"),
                ("GNU.sparse.minor", "0"),
                ("GNU.sparse.realsize", "4609"),
                ("GNU.sparse.name", "s"),
            ],
            format!("{:\0<512}{data}", "2\n0\n512\n4608\n1\n"),
        ),
    ] {
        let records: Vec<(&str, &[u8])> = records.iter().map(|(k, v)| (*k, v.as_bytes())).collect();
        let tar = Tar::default().pax(&records).file("GNUSparseFile.0/s", &stored).file("next", "n");
        assert_eq!(unpack(tar).unwrap(), [whole.clone(), "file next 644 0:0 n".into()].as_slice());
    }
    for map in ["0,512,100,1", "0", "0,9999", "x,1", "9000,1", "18446744073709551615,1"] {
        let tar = Tar::default().pax(&[("GNU.sparse.map", map.as_bytes()), ("GNU.sparse.size", b"4609")]);
        refused(tar.file("s", &data), ErrorKind::Corrupt);
    }
    let bomb = [("GNU.sparse.map", b"0,1".as_slice()), ("GNU.sparse.size", b"2000000000")];
    refused(Tar::default().pax(&bomb).file("s", "x"), ErrorKind::Limit);
    let huge = [("GNU.sparse.map", b"0,1".as_slice()), ("GNU.sparse.size", b"9223372036854775807")];
    refused(Tar::default().pax(&huge).file("s", "x"), ErrorKind::Limit);
}

#[test]
fn what_gnu_tar_writes_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let sparse = std::fs::File::create(dir.path().join("s")).unwrap();
    for at in [0, 1 << 20, 3 << 20] {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"data", at).unwrap();
    }
    // More pieces than the old header has room for.
    for at in 0..40u64 {
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"more", (4 << 20) + at * (64 << 10)).unwrap();
    }
    sparse.set_len(8 << 20).unwrap();
    std::fs::write(dir.path().join("t"), "after").unwrap();
    for format in [
        &["--format=gnu"][..],
        &["--format=posix", "--sparse-version=0.0"],
        &["--format=posix", "--sparse-version=0.1"],
        &["--format=posix", "--sparse-version=1.0"],
    ] {
        let mut command = std::process::Command::new("tar");
        command.args(["-cS", "--owner=0", "--group=0", "--mode=644"]).args(format).arg("-C").arg(dir.path());
        let tar = command.args(["s", "t"]).output().unwrap();
        assert!(tar.status.success(), "{}", String::from_utf8_lossy(&tar.stderr));
        assert!(tar.stdout.len() < 1 << 20, "tar saw no holes");
        let (lines, _) = unpack_on(&[], &tar.stdout, Limits::default(), &map()).unwrap();
        assert_eq!(
            lines,
            [format!("file s 644 0:0 {} bytes", 8 << 20), "file t 644 0:0 after".into()],
            "{format:?}"
        );
    }
}

#[test]
fn truncated_and_damaged_tars_are_told() {
    let whole = Tar::default().file("a", &"x".repeat(5000)).end();
    for end in [100, 512, 700, 5000] {
        let error = unpack_on(&[], &whole[..end], Limits::default(), &map()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{end}: {error}");
        assert!(error.to_string().contains("truncated"), "{end}: {error}");
    }
    let mut damaged = whole.clone();
    damaged[0] ^= 1;
    let error = unpack_on(&[], &damaged, Limits::default(), &map()).unwrap_err();
    assert!(error.to_string().contains("not a tar"), "{error}");
    let alone = Tar::default().pax(&[("path", b"x")]);
    let error = unpack_on(&[], &alone.0, Limits::default(), &map()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    for packed in [gzip(&whole), zstd::bulk::compress(&whole, 1).unwrap()] {
        let error = unpack_on(&[], &packed[..packed.len() / 2], Limits::default(), &map()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
        let mut damaged = packed.clone();
        damaged[packed.len() / 2] ^= 0x55;
        let error = unpack_on(&[], &damaged, Limits::default(), &map()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    }
}

#[test]
fn compression_is_told_by_content() {
    let whole = Tar::default().file("a", "x").end();
    let (first, second) = whole.split_at(300);
    let members = [gzip(first), gzip(second)].concat();
    let frames = [
        zstd::bulk::compress(first, 1).unwrap(),
        // A frame that is skipped, as zstd:chunked has them.
        vec![0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9],
        zstd::bulk::compress(second, 1).unwrap(),
    ]
    .concat();
    for packed in [whole.clone(), gzip(&whole), members, frames, xz(&whole)] {
        let (lines, _) = unpack_on(&[], &packed, Limits::default(), &map()).unwrap();
        assert_eq!(lines, ["file a 644 0:0 x"]);
    }
    let error = unpack_on(&[], b"BZh91AY", Limits::default(), &map()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn names_do_not_fill_the_memory() {
    // Its parents' names are hundreds of times as long as its own.
    let deep = "some-dir/".repeat(400) + "f";
    let tar = Tar::default().pax(&[("path", deep.as_bytes())]).file("f", "").end();
    let limits = |layer_bytes| Limits { layer_bytes, ..Limits::default() };
    let error = unpack_on(&[], &tar, limits(40 << 20), &map()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Limit, "{error}");
    assert!(error.to_string().contains("names"), "{error}");
    assert!(unpack_on(&[], &tar, limits(60 << 20), &map()).is_ok());
    refused(Tar::default().pax(&[("path", "a/".repeat(600).as_bytes())]).file("a", ""), ErrorKind::Hostile);
}

#[test]
fn limits_hold() {
    let many = (0..20).fold(Tar::default(), |tar, n| tar.file(&n.to_string(), ""));
    let limits = Limits { layer_entries: 10, ..Limits::default() };
    assert_eq!(unpack_on(&[], &many.end(), limits, &map()).unwrap_err().kind(), ErrorKind::Limit);
    let large = Tar::default().file("a", &"x".repeat(5000)).end();
    let limits = Limits { layer_bytes: 4000, ..Limits::default() };
    assert_eq!(unpack_on(&[], &large, limits, &map()).unwrap_err().kind(), ErrorKind::Limit);
    // What stands behind the end of the tar counts, too.
    let mut behind = Tar::default().file("a", "x").end();
    behind.resize(1 << 20, 0);
    assert_eq!(unpack_on(&[], &behind, limits, &map()).unwrap_err().kind(), ErrorKind::Limit);
}

#[test]
fn a_bomb_is_recognised_before_it_has_gone_off() {
    let limits = Limits { layer_bytes: 1 << 30, ..Limits::default() };
    let zeros = std::io::repeat(0).take(100 << 20);
    let mut packed = zstd::stream::read::Encoder::new(zeros, 1).unwrap();
    let mut bomb = Vec::new();
    packed.read_to_end(&mut bomb).unwrap();
    let task = Task::begin(&Silent, "bomb", Step::Unpack, None);
    let mut stream = LayerStream::new(&bomb[..], limits, &task).unwrap();
    let error = std::io::copy(&mut stream, &mut std::io::sink()).unwrap_err();
    let error = error.downcast::<Error>().unwrap();
    assert_eq!(error.kind(), ErrorKind::Limit);
    assert!(error.to_string().contains("bomb"), "{error}");
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    use std::process::{Command, Stdio};
    let mut child =
        Command::new("xz").arg("-c").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}
