use crate::{
    nginx::{self, Http},
    stage::Stage,
    wanted::Parent,
};
use std::time::Duration;
#[test]
fn probe() {
    let Ok(args) = std::env::var("PROBE") else {
        return;
    };
    let args: Vec<&str> = args.split(' ').collect();
    let mut stage = Stage::new("probe");
    let (client, server) = (stage.pod("client"), stage.pod("server"));
    nginx::serve(&mut stage, &server, Http::Two);
    let service = stage.service("web", std::slice::from_ref(&server));
    let parent = Parent::new();
    let url = format!("http://{}", service.address());
    let out = client
        .command(args[0])
        .args(args[1..].iter().map(|a| a.replace("URL", &url)))
        .arg(format!("--header=traceparent: {}", parent.traceparent()))
        .output(Duration::from_secs(60))
        .unwrap();
    println!("{}\n{}", out.stdout, out.stderr);
    let outcome = stage.scene.finish().unwrap();
    println!("{:?}", outcome.report);
    for t in outcome.traces.0.values() {
        let n = t.of_role("exchange").count();
        let mut inc = std::collections::BTreeMap::<String, usize>::new();
        for s in &t.spans {
            let i = s.attribute("hopspan.incomplete");
            if !i.is_empty() {
                *inc.entry(format!("{} {}", s.role(), i)).or_default() += 1;
            }
        }
        println!("TRACE exchanges {n} incomplete {inc:?}");
        if n < 12 {
            for s in t.of_role("exchange") {
                println!(
                    "{} {} {}",
                    s.name,
                    s.attribute("url.path"),
                    s.attribute("http.response.status_code")
                );
            }
        }
    }
}
