//! As much of JSON Schema as ours use. A keyword that it does not know fails, so that nothing is checked by half.

use serde_json::Value;

/// Panics unless the value is what `schema/json/NAME.schema.json` says, and has no field beyond.
pub fn assert_conforms(name: &str, value: &Value) {
    let schemas = drift_schema::describe::json_schemas();
    let (_, schema) = schemas
        .into_iter()
        .find(|(known, _)| *known == name)
        .expect("a schema");
    let root = schema.to_value();
    if let Err(why) = conforms(&root, &root, value, "$") {
        panic!("not a {name}: {why}\n{value:#}");
    }
}

fn conforms(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let Some(keywords) = schema.as_object() else {
        return if schema == &Value::Bool(true) {
            Ok(())
        } else {
            Err(format!("{at} is not allowed"))
        };
    };
    if let (Some(reference), Some(_)) = (keywords.get("$ref"), keywords.get("properties")) {
        let whole = merged(schema, definition(root, reference));
        return conforms(root, &whole, value, at);
    }
    let fails = |what: &str| Err(format!("{at}: {what}: {value}"));
    for (keyword, rule) in keywords {
        match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "format" | "default" => {}
            "$ref" => {
                conforms(root, definition(root, rule), value, at)?;
            }
            "type" => {
                let one = |name: &Value| is_of_type(name.as_str().unwrap_or_default(), value);
                let fits = rule
                    .as_array()
                    .map_or_else(|| one(rule), |names| names.iter().any(one));
                if !fits {
                    return fails(&format!("not {rule}"));
                }
            }
            "required" => {
                for name in rule
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                {
                    if value.get(name).is_none() {
                        return fails(&format!("lacks {name}"));
                    }
                }
            }
            "properties" => {
                for (name, inner) in value.as_object().into_iter().flatten() {
                    let property = rule
                        .get(name)
                        .ok_or_else(|| format!("{at}.{name} is in no schema"))?;
                    conforms(root, property, inner, &format!("{at}.{name}"))?;
                }
            }
            "additionalProperties" => assert_eq!(rule, &Value::Bool(false)),
            "items" => {
                for (index, inner) in value.as_array().into_iter().flatten().enumerate() {
                    conforms(root, rule, inner, &format!("{at}[{index}]"))?;
                }
            }
            "enum" if !rule.as_array().is_some_and(|all| all.contains(value)) => {
                return fails("not one of these");
            }
            "const" if rule != value => return fails(&format!("not {rule}")),
            "minimum" if value.as_f64() < rule.as_f64() => return fails("too small"),
            "maximum" if value.as_f64() > rule.as_f64() => return fails("too large"),
            "anyOf" | "oneOf" => {
                let fits = |one: &&Value| conforms(root, one, value, at).is_ok();
                let fitting = rule.as_array().into_iter().flatten().filter(fits).count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    return fails(&format!("fits {fitting} of {rule}"));
                }
            }
            // Of these, what crosses the wire is held to them by the parser, which has tests of its own.
            "pattern" | "enum" | "const" | "minimum" | "maximum" | "maxLength" | "minLength" => {}
            other => panic!("{other} is unknown to this test: teach it"),
        }
    }
    Ok(())
}

fn definition<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
    root.pointer(pointer.expect("a local reference"))
        .expect("a definition")
}

/// A tagged variant is its tag beside a reference to the rest: each alone would miss the fields of the other.
fn merged(tag: &Value, rest: &Value) -> Value {
    let mut whole = rest.clone();
    for (name, property) in tag["properties"].as_object().into_iter().flatten() {
        whole["properties"][name] = property.clone();
    }
    let required = whole["required"].as_array_mut().expect("required fields");
    required.extend(tag["required"].as_array().into_iter().flatten().cloned());
    whole
}

fn is_of_type(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("{other} is no type"),
    }
}
