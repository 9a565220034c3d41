//! Names and link targets that must not be collected: what git takes for `.git`, and links that lead out.

/// Whether git, on some file system, takes this name for `.git`: other case, code points that HFS+ ignores,
/// the short name and the endings that NTFS ignores.
pub(super) fn is_dot_git(name: &[u8]) -> bool {
    let visible = without_ignorable(name);
    if visible.eq_ignore_ascii_case(b".git") {
        return true;
    }
    let rest = [&b".git"[..], b"git~1"]
        .into_iter()
        .find(|start| {
            name.get(..start.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(start))
        })
        .map(|start| &name[start.len()..]);
    rest.is_some_and(|rest| {
        let end = rest.iter().position(|byte| !matches!(byte, b' ' | b'.'));
        end.is_none_or(|at| matches!(rest[at], b':' | b'\\'))
    })
}

/// Drops the code points that HFS+ ignores in names.
fn without_ignorable(name: &[u8]) -> Vec<u8> {
    if name.is_ascii() {
        return name.to_vec();
    }
    let mut out = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        let kept = chunk.valid().chars().filter(|c| {
            !matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}')
        });
        out.extend(kept.collect::<String>().bytes());
        out.extend_from_slice(chunk.invalid());
    }
    out
}

/// Why a symbolic link at `path` may not be collected; `None` if its target lies in the workspace. Judged by
/// the text of the link alone: nothing is followed.
pub(super) fn link_trouble(path: &[u8], target: &[u8]) -> Option<&'static str> {
    if target.starts_with(b"/") {
        return Some("a symbolic link to an absolute path");
    }
    let mut inside: Vec<&[u8]> = path.split(|&byte| byte == b'/').collect();
    inside.pop();
    for part in target.split(|&byte| byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                if inside.pop().is_none() {
                    return Some("a symbolic link that leads out of the workspace");
                }
            }
            name => inside.push(name),
        }
    }
    let into_git = inside.iter().any(|part| is_dot_git(part));
    into_git.then_some("a symbolic link into a .git directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_dot_git_is_known() {
        let bad: [&[u8]; 9] = [
            b".git",
            b".GIT",
            b".giT",
            b"git~1",
            b"GIT~1",
            b".git.",
            b".git. .",
            b".git::$DATA",
            ".g\u{200c}it".as_bytes(),
        ];
        for name in bad {
            assert!(is_dot_git(name), "{}", String::from_utf8_lossy(name));
        }
        let good: [&[u8]; 6] = [
            b".gitignore",
            b".github",
            b"git",
            b"a.git",
            b".git2",
            b"\xff.git",
        ];
        for name in good {
            assert!(!is_dot_git(name), "{}", String::from_utf8_lossy(name));
        }
    }

    #[test]
    fn links_may_not_lead_out() {
        assert_eq!(link_trouble(b"a/b/link", b"../../c"), None);
        assert_eq!(link_trouble(b"link", b"a/../b"), None);
        assert!(link_trouble(b"a/link", b"../../c").is_some());
        assert!(link_trouble(b"link", b"a/../../b").is_some());
        assert!(link_trouble(b"link", b"/etc").is_some());
        assert!(link_trouble(b"a/link", b"../.git/config").is_some());
    }
}
