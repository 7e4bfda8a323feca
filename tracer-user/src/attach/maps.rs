//! The maps of the loaded programs. In: what aya has loaded. Out: descriptors of maps, by their names.

use std::{
    collections::HashMap,
    os::fd::{AsFd as _, BorrowedFd},
};

use aya::{
    Ebpf,
    maps::{Map, MapData},
};

/// The hash maps, each by a descriptor of its own. One is left out where there is no descriptor.
pub(super) fn hash_maps(ebpf: &Ebpf) -> Vec<(String, MapData)> {
    let maps = ebpf.maps().filter_map(|(name, map)| {
        let (Map::HashMap(data) | Map::LruHashMap(data)) = map else {
            return None;
        };
        let fd = data.fd().as_fd().try_clone_to_owned().ok()?;
        Some((name.to_owned(), MapData::from_fd(fd).ok()?))
    });
    maps.collect()
}

/// The maps by name, of the types that the programs use.
pub(super) fn map_fds(ebpf: &Ebpf) -> HashMap<String, BorrowedFd<'_>> {
    ebpf.maps()
        .filter_map(|(name, map)| {
            let (Map::Array(data)
            | Map::HashMap(data)
            | Map::LruHashMap(data)
            | Map::PerCpuArray(data)
            | Map::ProgramArray(data)
            | Map::RingBuf(data)) = map
            else {
                return None;
            };
            Some((name.to_owned(), data.fd().as_fd()))
        })
        .collect()
}
