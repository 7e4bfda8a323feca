//! Recordings of the kernel's answers, for the tests of the agent that need no kernel.
//! UPDATE_EXPECTED=1 writes them again; the README beside them has the format.

use std::{env, fs};

use tracer_user::rules::{LegacyIptables, Nfnetlink, dump};

use super::dumps;

fn is_wanted() -> bool {
    env::var_os("UPDATE_EXPECTED").is_some()
}

/// Records the rules of nf_tables.
pub(crate) fn nf_tables(name: &str) {
    if !is_wanted() {
        return;
    }
    let mut recording = Vec::new();
    let mut record = |kind: u16, payload: &[u8]| {
        recording.extend(u32::try_from(payload.len()).unwrap().to_le_bytes());
        recording.extend(kind.to_le_bytes());
        recording.extend(payload);
    };
    let mut socket = Nfnetlink::open().unwrap();
    dump(&mut socket, &mut record).unwrap();
    fs::write(dumps::path(name), recording).unwrap();
}

/// Records a table of the legacy back end.
pub(crate) fn legacy(is_ipv6: bool, table: &str, name: &str) {
    if !is_wanted() {
        return;
    }
    let socket = LegacyIptables::open(is_ipv6).unwrap();
    let (_, entries) = socket.entries(table).unwrap();
    fs::write(dumps::path(name), entries).unwrap();
}
