//! `drift-scraper check`: reads flows as `run` would, and starts nothing.

use std::path::PathBuf;

use serde_json::json;

use super::{Done, print, say};
use crate::flow::{Flow, Source};

pub fn run(files: &[PathBuf], as_json: bool) -> anyhow::Result<Done> {
    let mut sound = true;
    let mut found = Vec::new();
    for file in files {
        match Flow::read(file) {
            Ok(flow) => {
                let variables = flow
                    .values
                    .values()
                    .filter_map(|value| match &value.source {
                        Source::Environment { name, default, .. } => {
                            Some((name.as_str(), default.is_none()))
                        }
                        _ => None,
                    });
                let variables: Vec<(&str, bool)> = variables.collect();
                let steps: Vec<&str> = flow.steps.iter().map(|step| step.name.as_str()).collect();
                if as_json {
                    let needs: Vec<&str> = variables
                        .iter()
                        .filter_map(|(name, needed)| needed.then_some(*name))
                        .collect();
                    found.push(json!({
                        "file": file, "service": flow.service, "version": flow.version,
                        "steps": steps, "needs": needs, "faults": [],
                    }));
                } else {
                    let names: Vec<String> = variables
                        .iter()
                        .map(|(name, needed)| {
                            let optional = if *needed { "" } else { " (optional)" };
                            format!("{name}{optional}")
                        })
                        .collect();
                    let reads = if names.is_empty() {
                        String::new()
                    } else {
                        format!("; reads {}", names.join(", "))
                    };
                    print(&format!(
                        "{}: {} {}, steps {}{reads}\n",
                        file.display(),
                        flow.service,
                        flow.version,
                        steps.join(", "),
                    ))?;
                }
            }
            Err(faults) => {
                sound = false;
                if as_json {
                    let faults: Vec<_> = faults
                        .0
                        .iter()
                        .map(|fault| {
                            json!({
                                "file": fault.file,
                                "line": fault.line_and_column.map(|place| place.0),
                                "column": fault.line_and_column.map(|place| place.1),
                                "message": fault.message,
                            })
                        })
                        .collect();
                    found.push(json!({"file": file, "faults": faults}));
                } else {
                    say(&faults.to_string());
                }
            }
        }
    }
    if as_json {
        let text = serde_json::to_string_pretty(&json!({"sound": sound, "flows": found}))?;
        print(&(text + "\n"))?;
    }
    Ok(if sound { Done::Well } else { Done::Misused })
}
