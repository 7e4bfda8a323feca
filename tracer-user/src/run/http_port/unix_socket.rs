//! The unix socket of the HTTP port.
//!
//! In: a path. Out: a listening socket of mode 0600. The newest agent has the path: a socket that an
//! earlier one has left there is removed.

use std::{
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::fs::{FileTypeExt as _, PermissionsExt as _},
    path::Path,
};

use anyhow::{Context as _, bail};
use tokio::net::UnixListener;

/// Listens at `path`.
///
/// # Errors
///
/// When something else than a socket is there, or the directory cannot be written.
pub(super) fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    let name = path.display();
    match fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            fs::remove_file(path).with_context(|| format!("remove --watch-socket {name}"))?;
        }
        Ok(_) => bail!("--watch-socket {name}: there is another file"),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("--watch-socket {name}")),
    }
    let listener = UnixListener::bind(path).with_context(|| format!("--watch-socket {name}"))?;
    let mode = fs::set_permissions(path, Permissions::from_mode(0o600));
    mode.with_context(|| format!("set the mode of --watch-socket {name}"))?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        let first = listen(&path).unwrap();
        let second = listen(&path).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        drop((first, second));
        let file = directory.path().join("file");
        fs::write(&file, "text").unwrap();
        assert!(listen(&file).is_err());
        assert_eq!(fs::read_to_string(&file).unwrap(), "text");
    }
}
