//! The scraper protocol as TypeScript types, printed from its JSON Schema: the schema stays the one description.
//! Knows as much of JSON Schema as the protocol uses, and panics at the rest, in the test that prints the file.

use std::fmt::Write as _;

use schemars::schema_for;
use serde_json::{Map, Value};

use crate::scraper::Line;

const HEAD: &str = "// What a scraper writes on its standard output, one JSON object per line. Printed from the Rust types.\n";

/// The text of `schema/scraper.d.ts`.
pub fn scraper_types() -> String {
    let schema = schema_for!(Line).to_value();
    let mut out = HEAD.to_owned();
    let mut lines = Vec::new();
    for line in schema["oneOf"].as_array().into_iter().flatten() {
        let tag = line["properties"]["type"]["const"]
            .as_str()
            .unwrap_or_default();
        let mut name = tag[..1].to_uppercase() + &tag[1..];
        name += "Line";
        interface(&mut out, &name, line, &schema);
        lines.push(name);
    }
    out.push('\n');
    comment(&mut out, "", &schema);
    let _ = writeln!(out, "export type ScraperLine = {};", lines.join(" | "));
    for (name, definition) in schema["$defs"].as_object().into_iter().flatten() {
        // What a line consists of has been printed with it; what is left are the words.
        if definition["type"] != "object" {
            out.push('\n');
            comment(&mut out, "", definition);
            let _ = writeln!(out, "export type {name} = {};", type_of(definition));
        }
    }
    out
}

/// One interface of a variant and of the struct that it refers to.
fn interface(out: &mut String, name: &str, line: &Value, root: &Value) {
    let reference = line["$ref"].as_str().unwrap_or("#");
    let body = root
        .pointer(reference.trim_start_matches('#'))
        .unwrap_or(root);
    out.push('\n');
    comment(out, "", body);
    let _ = writeln!(out, "export interface {name} {{");
    fields(out, line);
    fields(out, body);
    out.push_str("}\n");
}

fn fields(out: &mut String, object: &Value) {
    let empty = Map::new();
    let properties = object["properties"].as_object().unwrap_or(&empty);
    for (field, schema) in properties {
        let required = object["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|name| name == field));
        comment(out, "  ", schema);
        let mark = if required { "" } else { "?" };
        let _ = writeln!(out, "  {field}{mark}: {};", type_of(schema));
    }
}

#[expect(
    clippy::panic,
    reason = "runs in the test that prints the file, on types of ours"
)]
fn type_of(schema: &Value) -> String {
    let alternatives = |all: &Vec<Value>| all.iter().map(type_of).collect::<Vec<_>>().join(" | ");
    if let Some(constant) = schema.get("const") {
        return constant.to_string();
    }
    if let Some(name) = schema["$ref"].as_str() {
        return name.rsplit('/').next().unwrap_or(name).to_owned();
    }
    if let Some(all) = schema["anyOf"].as_array().or(schema["oneOf"].as_array()) {
        return alternatives(all);
    }
    if let Some(all) = schema["enum"].as_array() {
        let texts: Vec<String> = all.iter().map(Value::to_string).collect();
        return texts.join(" | ");
    }
    match &schema["type"] {
        Value::String(name) if name == "string" || name == "null" => name.clone(),
        Value::Array(names) => {
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            names.join(" | ")
        }
        other => panic!("{other} is unknown to this printer: teach it"),
    }
}

fn comment(out: &mut String, indent: &str, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        let _ = writeln!(out, "{indent}/** {} */", text.replace('\n', " "));
    }
}
