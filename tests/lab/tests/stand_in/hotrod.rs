//! A stand-in for the HotROD application with the same command line: the frontend answers 200 when
//! it could connect to every address of its arguments, the others close the connections they
//! accept. It traces nothing.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::exit;
use std::time::Instant;

use signal_hook::consts::SIGTERM;
use signal_hook::iterator::Signals;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Some(role) = arguments.first().cloned() else {
        fail("no subcommand")
    };
    let flag = |name: &str| {
        let position = arguments.iter().position(|argument| argument == name)?;
        arguments.get(position + 1).cloned()
    };
    if role == "client" {
        return client(
            &flag("--frontend").unwrap_or_default(),
            flag("--requests").and_then(|n| n.parse().ok()),
        );
    }
    for (key, value) in
        std::env::vars().filter(|(key, _)| key.starts_with("OTEL_") || key == "POD_NAME")
    {
        eprintln!("{key}={value}");
    }
    if variable_is("STAND_IN_FAILS", &role) {
        fail(&format!("{role} fails on purpose"));
    }
    let callees: Vec<String> = ["--customer", "--driver", "--route"]
        .into_iter()
        .filter_map(flag)
        .collect();
    let listen = flag("--listen").unwrap_or_default();
    let Ok(listener) = TcpListener::bind(&listen) else {
        fail("--listen cannot be bound")
    };
    end_on_sigterm(if variable_is("STAND_IN_STOPS_BADLY", &role) {
        1
    } else {
        0
    });
    eprintln!("listening on {listen}");
    for mut stream in listener.incoming().flatten() {
        let ok = callees
            .iter()
            .all(|url| TcpStream::connect(url.trim_start_matches("http://")).is_ok());
        let _ = stream.write_all(if ok { b"200" } else { b"502" });
    }
}

fn client(frontend: &str, requests: Option<u32>) {
    for number in 0..requests.unwrap_or(0) {
        let start = Instant::now();
        let mut status = String::new();
        let asked = TcpStream::connect(frontend.trim_start_matches("http://"))
            .and_then(|mut stream| stream.read_to_string(&mut status));
        if asked.is_err() {
            fail("the frontend cannot be reached");
        }
        let duration_ms = start.elapsed().as_secs_f64() * 1e3;
        println!(r#"{{"trace_id":"{number:032x}","status":{status},"duration_ms":{duration_ms}}}"#);
    }
}

fn variable_is(variable: &str, expected: &str) -> bool {
    std::env::var(variable).is_ok_and(|value| value == expected)
}

fn end_on_sigterm(status: i32) {
    let Ok(mut signals) = Signals::new([SIGTERM]) else {
        fail("no handler for SIGTERM")
    };
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            exit(status);
        }
    });
}

fn fail(reason: &str) -> ! {
    eprintln!("{reason}");
    exit(7)
}
