//! Listening sockets, in this or another network namespace. In: addresses and a namespace's path.
//! Out: sockets, which stay in their namespace. Knows no protocol.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::thread;

use nix::sched::{CloneFlags, setns};

/// Why the sockets could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("listen on {address}: choose another address with --grpc or --http")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The error of bind(2) or listen(2).
        source: io::Error,
    },
    /// The namespace's file cannot be opened.
    #[error("open network namespace {path}: list them with `ip netns list`")]
    Open {
        /// The file.
        path: PathBuf,
        /// The error of open(2).
        source: io::Error,
    },
    /// The namespace cannot be entered.
    #[error(
        "enter network namespace {path}: needs CAP_SYS_ADMIN, and the path of a network namespace"
    )]
    Enter {
        /// The file.
        path: PathBuf,
        /// The error of setns(2).
        source: nix::Error,
    },
    /// The thread that enters the namespace could not be started, or panicked.
    #[error("start the thread that listens in another network namespace")]
    Thread,
}

/// Binds all `addresses`, in the namespace `netns` if it is given, and makes the sockets
/// non-blocking.
///
/// # Errors
/// [`ListenError`]; no socket is left open.
pub fn listen<const N: usize>(
    addresses: [SocketAddr; N],
    netns: Option<&Path>,
) -> Result<[TcpListener; N], ListenError> {
    let Some(path) = netns else {
        return bind(addresses);
    };
    let namespace = File::open(path).map_err(|source| ListenError::Open {
        path: path.to_owned(),
        source,
    })?;
    // setns(2) moves only the calling thread, so a thread of its own enters the namespace, binds
    // and ends.
    let in_namespace = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).map_err(|source| ListenError::Enter {
            path: path.to_owned(),
            source,
        })?;
        bind(addresses)
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new()
            .name("netns-listen".to_owned())
            .spawn_scoped(scope, in_namespace);
        thread
            .map_err(|_| ListenError::Thread)?
            .join()
            .unwrap_or(Err(ListenError::Thread))
    })
}

fn bind<const N: usize>(addresses: [SocketAddr; N]) -> Result<[TcpListener; N], ListenError> {
    let mut listeners = Vec::with_capacity(N);
    for address in addresses {
        let bound = TcpListener::bind(address).and_then(|listener| {
            listener.set_nonblocking(true)?;
            Ok(listener)
        });
        listeners.push(bound.map_err(|source| ListenError::Bind { address, source })?);
    }
    listeners.try_into().map_err(|_| ListenError::Thread)
}
