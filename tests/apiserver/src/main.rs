//! The stand-in as a process: it serves the objects of a file, and a test changes them through
//! `/control`.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hopspan_apiserver::{Resource, Server, Store};
use serde_json::Value;

/// A stand-in for the Kubernetes API server
#[derive(Debug, Parser)]
struct Args {
    /// The address to listen on
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// A JSON file with the list of objects to begin with
    #[arg(long, value_name = "FILE")]
    objects: Option<PathBuf>,
    /// The resourceVersion to begin with: a restarted server has a later one
    #[arg(long, default_value_t = 1)]
    version: u64,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let store = Store::from_version(args.version);
    if let Some(path) = &args.objects {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let objects: Vec<Value> = serde_json::from_str(&text)
            .with_context(|| format!("{} is not a JSON list", path.display()))?;
        for object in objects {
            let kind = object["kind"].as_str().and_then(Resource::of_kind);
            ensure!(
                kind.is_some(),
                "{} has an object of an unknown kind",
                path.display()
            );
            store.apply(object);
        }
    }
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("listen on {}", args.listen))?;
    let server = Server::start(listener, store)?;
    // The starter of this process may read the address here.
    println!("listening on {}", server.address());
    server.wait();
    Ok(())
}
