//! What the fake does with each request. None: GitHub has no such thing.

use serde_json::{Value, json};

use super::{Issue, Message, REPOSITORY, State, TOKEN, json_answer, message};

/// To an App that has signed who it is; the signature is looked at where it is made.
pub(super) fn answer_app(request: &Message) -> Option<Message> {
    let bearer = request.header("authorization")?.strip_prefix("Bearer ")?;
    if bearer.split('.').count() != 3 {
        return None;
    }
    let installation = format!("/repos/{REPOSITORY}/installation");
    match (request.method(), request.path()) {
        ("GET", path) if path == installation => Some(json_answer(200, &json!({"id": 7}))),
        ("POST", "/app/installations/7/access_tokens") => {
            let until = chrono::Utc::now() + chrono::Duration::hours(1);
            let body = json!({"token": TOKEN, "expires_at": until, "permissions": {"issues": "write", "metadata": "read"}});
            Some(json_answer(201, &body))
        }
        _ => None,
    }
}

pub(super) fn answer(state: &mut State, request: &Message, base: &str) -> Option<Message> {
    let (path, query) = request
        .path()
        .split_once('?')
        .unwrap_or((request.path(), ""));
    let rest = path.strip_prefix(&format!("/repos/{REPOSITORY}"))?;
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    let body = || serde_json::from_slice::<Value>(&request.body).ok();
    if state.issues_off && parts.first() == Some(&"issues") {
        return Some(message(410, &[], "Issues are disabled for this repo"));
    }
    Some(match (request.method(), parts.as_slice()) {
        ("GET", []) => json_answer(
            200,
            &json!({"full_name": REPOSITORY, "has_issues": !state.issues_off, "private": false, "permissions": {"pull": true, "triage": true, "push": true}}),
        ),
        ("GET", ["issues"]) => list(state, path, query, base)?,
        ("POST", ["issues"]) => create(state, &body()?)?,
        ("GET", ["issues", number]) => one(state, number.parse().ok()?, base),
        ("PATCH", ["issues", number]) => edit(state, number.parse().ok()?, &body()?)?,
        ("GET", ["issues", number, "comments"]) => {
            let issue = state.issue(number.parse().ok()?);
            let comments: Vec<Value> = issue
                .comments
                .iter()
                .enumerate()
                .map(|(id, body)| json!({"id": id, "body": body, "user": {"login": "drift[bot]"}}))
                .collect();
            page(&comments, path, query, base, state.page)
        }
        ("POST", ["issues", number, "comments"]) => {
            let text = body()?["body"].as_str()?.to_owned();
            if text.chars().count() > 65_536 {
                return Some(message(
                    422,
                    &[],
                    "body is too long (maximum is 65536 characters)",
                ));
            }
            let issue = state.issue(number.parse().ok()?);
            if issue.locked {
                let why = "Unable to create comment because issue is locked.";
                return Some(message(403, &[], why));
            }
            issue.comments.push(text);
            json_answer(201, &json!({"id": 1}))
        }
        ("POST", ["issues", number, "labels"]) => {
            let labels: Vec<String> = serde_json::from_value(body()?["labels"].clone()).ok()?;
            let issue = state.issue(number.parse().ok()?);
            for label in labels {
                if !issue.labels.contains(&label) {
                    issue.labels.push(label);
                }
            }
            json_answer(200, &json!([]))
        }
        ("GET", ["labels", name]) => {
            let name = decoded(name);
            if state.labels.contains(&name) {
                json_answer(200, &json!({"name": name}))
            } else {
                message(404, &[], "Not Found")
            }
        }
        ("POST", ["labels"]) => {
            let name = body()?["name"].as_str()?.to_owned();
            if name.chars().count() > 50 {
                return None;
            }
            if state.labels.contains(&name) {
                return Some(message(422, &[], "already_exists"));
            }
            state.labels.push(name);
            json_answer(201, &json!({}))
        }
        ("GET", ["git", "ref", "heads", branch]) => {
            if state.branches.iter().any(|it| it == branch) {
                json_answer(200, &json!({"ref": branch}))
            } else {
                message(404, &[], "Not Found")
            }
        }
        ("POST", ["git", "trees" | "commits"]) => {
            state.objects += 1;
            json_answer(201, &json!({"sha": format!("{:040x}", state.objects)}))
        }
        ("POST", ["git", "refs"]) => {
            let name = body()?["ref"]
                .as_str()?
                .strip_prefix("refs/heads/")?
                .to_owned();
            if state.branches.contains(&name) {
                return Some(message(422, &[], "Reference already exists"));
            }
            state.branches.push(name);
            json_answer(201, &json!({}))
        }
        ("GET", ["contents", ..]) => {
            let key = format!("{}:{}", query.strip_prefix("ref=")?, parts[1..].join("/"));
            if state.files.iter().any(|(it, _)| *it == key) {
                json_answer(200, &json!({"path": key}))
            } else {
                message(404, &[], "Not Found")
            }
        }
        ("PUT", ["contents", ..]) => put_file(state, &parts[1..].join("/"), &body()?)?,
        _ => return None,
    })
}

fn wire(issue: &Issue) -> Value {
    let mut value = json!({
        "number": issue.number,
        "html_url": format!("https://github.example/{REPOSITORY}/issues/{}", issue.number),
        "title": issue.title,
        "body": issue.body,
        "state": if issue.open { "open" } else { "closed" },
        "labels": issue.labels.iter().map(|name| json!({"id": 1, "name": name})).collect::<Vec<_>>(),
        "closed_at": issue.closed_at,
        "locked": issue.locked,
        "user": {"login": "drift[bot]"},
    });
    if issue.is_pull_request {
        value["pull_request"] = json!({"url": "…"});
    }
    value
}

fn list(state: &State, path: &str, query: &str, base: &str) -> Option<Message> {
    let value = |name: &str| {
        query
            .split('&')
            .find_map(|pair| pair.strip_prefix(&format!("{name}=")))
    };
    let labels: Vec<String> = value("labels")
        .unwrap_or_default()
        .split(',')
        .map(decoded)
        .collect();
    assert_eq!(value("state"), Some("all"), "closed issues count, too");
    let found = state.issues.iter().filter(|issue| {
        !issue.deleted
            && issue.moved_to.is_none()
            && labels.iter().all(|label| issue.labels.contains(label))
    });
    Some(page(
        &found.map(wire).collect::<Vec<_>>(),
        path,
        query,
        base,
        state.page,
    ))
}

fn page(all: &[Value], path: &str, query: &str, base: &str, most: usize) -> Message {
    let number = |name: &str| {
        query.split('&').find_map(|pair| {
            pair.strip_prefix(&format!("{name}="))?
                .parse::<usize>()
                .ok()
        })
    };
    let size = number("per_page").unwrap_or(30).min(most);
    let this = number("page").unwrap_or(1);
    let shown: Vec<&Value> = all.iter().skip((this - 1) * size).take(size).collect();
    let mut answer = json_answer(200, &json!(shown));
    if all.len() > this * size {
        let others: Vec<&str> = query
            .split('&')
            .filter(|pair| !pair.starts_with("page="))
            .collect();
        let next = format!(
            "<{base}{path}?{}&page={}>; rel=\"next\"",
            others.join("&"),
            this + 1
        );
        answer.headers.push(("link".to_owned(), next));
    }
    answer
}

fn create(state: &mut State, body: &Value) -> Option<Message> {
    let text = body["body"].as_str()?;
    if text.chars().count() > 65_536 {
        return Some(message(
            422,
            &[],
            "body is too long (maximum is 65536 characters)",
        ));
    }
    let issue = Issue {
        number: state
            .issues
            .iter()
            .map(|issue| issue.number)
            .max()
            .unwrap_or(0)
            + 1,
        title: body["title"].as_str()?.to_owned(),
        body: text.to_owned(),
        open: true,
        labels: serde_json::from_value(body["labels"].clone()).ok()?,
        ..Issue::default()
    };
    let answer = json_answer(201, &wire(&issue));
    state.issues.push(issue);
    Some(answer)
}

fn one(state: &State, number: u64, base: &str) -> Message {
    match state.issues.iter().find(|issue| issue.number == number) {
        None => message(404, &[], "Not Found"),
        Some(issue) if issue.deleted => message(410, &[], "This issue was deleted"),
        Some(Issue {
            moved_to: Some(other),
            ..
        }) => {
            let place = format!("{base}/repos/{REPOSITORY}/issues/{other}");
            message(301, &[("location", place)], "Moved Permanently")
        }
        Some(issue) => json_answer(200, &wire(issue)),
    }
}

fn edit(state: &mut State, number: u64, body: &Value) -> Option<Message> {
    let issue = state.issue(number);
    for (name, value) in body.as_object()? {
        match (name.as_str(), value.as_str()?) {
            ("title", title) => issue.title = title.to_owned(),
            ("body", text) if text.chars().count() > 65_536 => {
                return Some(message(422, &[], "body is too long"));
            }
            ("body", text) => issue.body = text.to_owned(),
            ("state", "open") => {
                issue.open = true;
                issue.closed_at = None;
            }
            ("state", "closed") => {
                issue.open = false;
                issue.closed_at = Some(chrono::Utc::now().to_rfc3339());
            }
            _ => return None,
        }
    }
    Some(json_answer(200, &wire(issue)))
}

fn put_file(state: &mut State, path: &str, body: &Value) -> Option<Message> {
    use base64::Engine as _;
    let branch = body["branch"].as_str()?;
    if !state.branches.iter().any(|it| it == branch) {
        return Some(message(404, &[], "Branch not found"));
    }
    let key = format!("{branch}:{path}");
    if state.files.iter().any(|(it, _)| *it == key) {
        return Some(message(422, &[], "\"sha\" wasn't supplied."));
    }
    let content = base64::engine::general_purpose::STANDARD
        .decode(body["content"].as_str()?)
        .ok()?;
    state.files.push((key, content));
    Some(json_answer(201, &json!({})))
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digits = [
                rest.next().unwrap_or_default(),
                rest.next().unwrap_or_default(),
            ];
            bytes.push(
                u8::from_str_radix(std::str::from_utf8(&digits).expect("two digits"), 16)
                    .expect("two digits"),
            );
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
