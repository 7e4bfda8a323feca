//! Clients of several languages with servers of several languages, each client with each server of
//! its protocol: HTTP/1.1, HTTP/2 with prior knowledge, gRPC. `cargo xtask test programs --all` runs
//! it, no other run does.
//!
//! In: the status that the client printed for each of its requests. Out: a table for each protocol
//! of right, wrong and skipped requests, and a failed test where the spans differ from what the
//! client saw.

mod clients;
mod language;
mod plan;
mod servers;
mod table;

use std::{os::unix::fs::PermissionsExt, time::Duration};

use hopspan_e2e::{CLOSE_REPORTED, Traces};
use hopspan_lab::{Pod, find_program, print_skip, skip};

use self::{
    clients::CLIENTS,
    language::Language,
    plan::Plan,
    servers::{SERVERS, Server},
    table::Table,
};
use super::fixture::ProgramFixture;

/// The only test, in whose name single programs are skipped.
const TEST: &str = "every_client_with_every_server";
/// How long a client may take for its requests. Java compiles its own first.
const CLIENT_LIMIT: Duration = Duration::from_secs(60);

/// What a client and a server speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Protocol {
    Http1,
    Http2,
    Grpc,
}

/// A client or a server.
struct Program {
    /// The library or the program. It is the first argument of the language's script.
    name: &'static str,
    language: Language,
    protocol: Protocol,
}

/// What a client with a server has left.
struct Pair {
    protocol: Protocol,
    client: &'static str,
    server: &'static str,
    plan: Plan,
    /// What the client printed, a line for each request.
    answers: Vec<String>,
}

#[test]
fn every_client_with_every_server() {
    if skip(TEST) {
        return;
    }
    let clients = runnable(&CLIENTS, |client| client.language.check_client(client.name));
    let servers = runnable(&SERVERS, Server::check);
    let mut fixture = ProgramFixture::start("matrix");
    // nginx and Apache's user read the large file.
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::write(
        files.path().join("large"),
        "0123456789abcde\n".repeat(1 << 16),
    )
    .unwrap();

    let client_pod = fixture.pod("client");
    let mut pairs = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        let pod = fixture.pod(&format!("server-{index}"));
        server.start(&mut fixture, &pod, files.path());
        let service = fixture.service(&format!("server-{index}"), &[pod]);
        let address = format!("http://{}", service.address());
        let protocol = server.protocol();
        for client in clients.iter().filter(|client| client.protocol == protocol) {
            let plan = Plan::new(protocol, &files.path().join("body"));
            pairs.push(Pair {
                protocol,
                client: client.name,
                server: server.name(),
                answers: run(&client_pod, client, &address, &plan),
                plan,
            });
        }
    }
    std::thread::sleep(CLOSE_REPORTED);
    let traces = fixture.finish();
    report(&pairs, &traces);
}

/// The programs that this machine has. Prints that the others are skipped.
fn runnable<T>(programs: &'static [T], check: impl Fn(&T) -> Result<(), String>) -> Vec<&'static T>
where
    T: AsRef<str>,
{
    let has = |program: &&T| match check(program) {
        Ok(()) => true,
        Err(reason) => {
            print_skip(&format!("{TEST}/{}", program.as_ref()), &reason);
            false
        }
    };
    programs.iter().filter(has).collect()
}

/// Lets a client send its requests.
fn run(pod: &Pod, client: &Program, address: &str, plan: &Plan) -> Vec<String> {
    let [program, arguments @ ..] = &client.language.client(client.name)[..] else {
        unreachable!("a command has a program");
    };
    let output = pod
        .command(find_program(program).unwrap_or_else(|| program.into()))
        .args(arguments)
        .arg(address)
        .stdin_text(&plan.text())
        .unwrap()
        .output(CLIENT_LIMIT)
        .unwrap();
    let mut answers: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
    // A client that ended early.
    let nothing = format!("{}: {}", output.status, output.stderr.trim());
    answers.resize(plan.requests.len(), nothing);
    answers
}

/// Prints the table.
///
/// # Panics
/// When a request is wrong, or spans belong to no request.
fn report(pairs: &[Pair], traces: &Traces) {
    let mut table = Table::new();
    let mut wrong = Vec::new();
    for pair in pairs {
        let errors = pair.plan.errors(&pair.answers, traces);
        let programs = (pair.protocol, pair.client, pair.server);
        table.add(programs, pair.plan.requests.len(), errors.len());
        let named = |error: String| format!("{} > {}: {error}", pair.client, pair.server);
        wrong.extend(errors.into_iter().map(named));
    }
    table.print();
    let planned = |id: &String| pairs.iter().any(|pair| pair.plan.has_trace(id));
    let others = traces.0.iter().filter(|(id, _)| !planned(id));
    wrong.extend(others.map(|(_, trace)| format!("a trace of no request: {trace:?}")));
    assert!(!pairs.is_empty(), "no client and no server can run here");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
