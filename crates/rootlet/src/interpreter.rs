//! Which other program the kernel starts in place of one: a script's, named behind `#!`, or a dynamic linker.

/// How much of a program is looked at; the kernel itself looks at 256 bytes of a script.
pub(crate) const HEAD: u64 = 4096;

/// What the beginning of a program names.
pub(crate) fn named(head: &[u8]) -> Option<Vec<u8>> {
    if let Some(line) = head.strip_prefix(b"#!") {
        let line = line.split(|&b| b == b'\n').next()?.trim_ascii();
        return line
            .split(u8::is_ascii_whitespace)
            .next()
            .filter(|name| !name.is_empty())
            .map(<[u8]>::to_vec);
    }
    if !head.starts_with(b"\x7fELF") {
        return None;
    }
    // The interpreter's name is the first string of the file that begins as one.
    let at = head.windows(4).position(|w| w == b"/lib")?;
    head[at..].split(|&b| b == 0).next().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn scripts_and_dynamic_programs_name_one() {
        assert_eq!(named(b"#! /bin/sh -e\nexit").as_deref(), Some(&b"/bin/sh"[..]));
        assert_eq!(named(b"#!/usr/bin/env\tpython3").as_deref(), Some(&b"/usr/bin/env"[..]));
        assert_eq!(named(b"\x7fELF\x02\0\0/lib/ld.so\0x").as_deref(), Some(&b"/lib/ld.so"[..]));
        for nothing in [&b"#!"[..], b"#!\n/bin/sh", b"\x7fELF\x02static", b"echo", b""] {
            assert_eq!(named(nothing), None);
        }
    }
}
