//! No room on the disk.

use hopspan_e2e::EchoFixture;

use super::{REQUESTS, assert_complete, check, finish, load, wait};

/// Mounts a file system of a megabyte that only the agent sees, and starts the agent.
const SMALL_DISK: &str = r#"mount -t tmpfs -o size=1m none "$0" && exec "$@""#;

#[test]
fn a_full_disk_ends_the_recording_and_not_the_agent() {
    if hopspan_lab::skip("a_full_disk_ends_the_recording_and_not_the_agent") {
        return;
    }
    let mut fixture = EchoFixture::start("full-disk", 1, 1).unwrap();
    let disk = fixture.work_dir().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let disk = disk.to_str().unwrap();
    let starter = ["unshare", "--mount", "sh", "-c", SMALL_DISK, disk];
    let recording = format!("{disk}/recording");
    fixture
        .start_default_agent_by(&starter, &["--record", &recording])
        .unwrap();
    let mut load = load(&fixture);
    wait(&mut load);
    let log = fixture.agent.as_ref().unwrap().process.log();
    let lines = log
        .lines()
        .filter(|line| line.contains("the recording ends here"));
    assert_eq!(lines.count(), 1, "{log}");
    let right = check(&finish(fixture));
    assert_complete(&right, 1..=REQUESTS);
}
