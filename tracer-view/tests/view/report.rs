//! `hopspan report`: files to a table, to JSON, and to a page that needs no server.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser;
use serde_json::Value;
use tracer_view::{ReportArgs, report};

use crate::fixture::dispatch::dispatch;
use crate::fixture::{application, span};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ReportArgs,
}

fn file(folder: &Path, name: &str, dispatches: std::ops::Range<u64>) -> PathBuf {
    let mut requests: Vec<_> = dispatches.flat_map(dispatch).collect();
    requests.push(application(
        "</script><!--",
        vec![span(9, 0, "</script>", 0, 1)],
    ));
    let lines = requests
        .iter()
        .map(|request| serde_json::to_string(request).unwrap());
    let path = folder.join(name);
    fs::write(&path, lines.collect::<Vec<_>>().join("\n")).unwrap();
    path
}

async fn printed(arguments: &[&str]) -> anyhow::Result<String> {
    let args = Cli::try_parse_from(["report"].iter().chain(arguments))?.args;
    let mut out = Vec::new();
    report(args, &mut out, false).await?;
    Ok(String::from_utf8(out)?)
}

#[tokio::test]
async fn two_files_are_before_and_after() {
    let folder = tempfile::tempdir().unwrap();
    let before = file(folder.path(), "iptables.json", 2..12);
    let after = file(folder.path(), "nftables.json", 2..5);
    let html = folder.path().join("report.html");
    let [before, after, page] = [&before, &after, &html].map(|path| path.to_str().unwrap());
    let table = printed(&[before, after, "--html", page, "--charset", "utf-8"])
        .await
        .unwrap();
    let names: Vec<&str> = table
        .lines()
        .filter(|line| line.ends_with("tables"))
        .collect();
    assert_eq!(names, ["iptables", "nftables"]);
    assert!(table.contains("frontend → route"), "{table}");

    let json: Value =
        serde_json::from_str(&printed(&[before, after, "--json"]).await.unwrap()).unwrap();
    let calls = |set: usize| json["sets"][set]["comparison"]["edges"][0]["calls"].clone();
    assert_eq!([calls(0), calls(1)], [10, 3]);

    let html = fs::read_to_string(html).unwrap();
    let (_, data) = html
        .split_once(r#"<script type="application/json" id="report">"#)
        .unwrap();
    let (data, rest) = data.split_once("</script>").unwrap();
    let report: Value = serde_json::from_str(data).unwrap();
    assert_eq!(report["sets"][1]["set"]["name"], "nftables");
    assert_eq!(report["sets"][0]["traces"].as_array().unwrap().len(), 11);
    assert_eq!(rest.matches("<script>").count(), 1, "the page's own script");
    assert!(!html.contains("src=") && !html.contains("stylesheet"));
}

#[tokio::test]
async fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.json");
    fs::write(&broken, "{}\n\n{\"resourceSpans\": 5}").unwrap();
    let error = |result: anyhow::Result<String>| format!("{:#}", result.unwrap_err());
    let broken = broken.to_str().unwrap();
    assert!(
        error(printed(&[broken]).await)
            .starts_with(&format!("line 3 of {broken} is not OTLP/JSON"))
    );
    assert!(error(printed(&["/nowhere.json"]).await).starts_with("open /nowhere.json"));
    assert!(error(printed(&[]).await).contains("required"));
    assert!(error(printed(&[broken, "--for", "3s"]).await).contains("cannot be used with"));
}
