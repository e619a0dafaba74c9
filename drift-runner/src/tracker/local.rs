//! Issues as Markdown files in a folder, pictures beside them: for trying it out, for one person, and for those who bring
//! issues elsewhere themselves. A file is `0001-openai-signup-form.md`; closing an issue is writing `state: closed` into its head.

mod file;

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use drift_schema::run::IssueState;
use drift_schema::{Digest, Micros};

use super::board::{At, Board, Card, Draft, Edit, Look, Trouble};
use file::File;

pub struct Local {
    folder: PathBuf,
}

impl Local {
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Runs something while no other process changes the folder. Off the runtime's threads: locks and disks may take time.
    async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let folder = self.folder.clone();
        let shown = folder.display().to_string();
        let done = tokio::task::spawn_blocking(move || {
            fs::create_dir_all(&folder)?;
            let lock = fs::OpenOptions::new()
                .create(true)
                .truncate(false)
                .write(true)
                .open(folder.join(".lock"))?;
            lock.lock()?;
            work(&folder)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(Trouble::Later {
                why: format!("the issues in {shown} cannot be read or written: {error}"),
                until: None,
            }),
            Err(_) => Err(Trouble::Later {
                why: "interrupted".to_owned(),
                until: None,
            }),
        }
    }
}

#[async_trait]
impl Board for Local {
    fn name(&self) -> &'static str {
        "local"
    }

    async fn list(&self, label: &str) -> Result<Vec<Card>, Trouble> {
        let label = label.to_owned();
        self.alone(move |folder| {
            let mut cards = Vec::new();
            for (_, path) in numbered(folder)? {
                cards.extend(read(&path)?.map(|file| file.card(&path)));
            }
            cards.retain(|card| card.labels.contains(&label));
            Ok(cards)
        })
        .await
    }

    async fn look(&self, at: &At) -> Result<Look, Trouble> {
        let number = at.number;
        self.alone(move |folder| {
            let Some(path) = path_of(folder, number)? else {
                return Ok(Look::Gone);
            };
            Ok(read(&path)?.map_or(Look::Gone, |file| Look::Here(file.card(&path))))
        })
        .await
    }

    async fn create(&self, draft: &Draft) -> Result<Card, Trouble> {
        let draft = draft.clone();
        self.alone(move |folder| {
            let number = numbered(folder)?.last().map_or(1, |(number, _)| number + 1);
            let path = folder.join(format!("{number:04}-{}.md", file_name(&draft.title)));
            let file = File::new(number, &draft);
            write(&path, file.text().as_bytes())?;
            Ok(file.card(&path))
        })
        .await
    }

    async fn edit(&self, at: &At, edit: &Edit) -> Result<Card, Trouble> {
        let edit = edit.clone();
        self.change(at, move |file| {
            if let Some(title) = edit.title {
                file.title = title;
            }
            if let Some(body) = edit.body {
                file.body = body;
            }
            for label in edit.labels {
                if !file.labels.contains(&label) {
                    file.labels.push(label);
                }
            }
            if let Some(state) = edit.state {
                file.closed = (state == IssueState::Closed).then(Micros::now);
                file.state = state;
            }
        })
        .await
    }

    async fn comments(&self, at: &At) -> Result<Vec<String>, Trouble> {
        let number = at.number;
        self.alone(move |folder| {
            let file = path_of(folder, number)?
                .map(|path| read(&path))
                .transpose()?
                .flatten();
            Ok(file.map(|file| file.comments).unwrap_or_default())
        })
        .await
    }

    async fn comment(&self, at: &At, text: &str) -> Result<(), Trouble> {
        let text = text.to_owned();
        self.change(at, move |file| file.comments.push(text))
            .await
            .map(|_| ())
    }

    fn keeps_pictures(&self) -> bool {
        true
    }

    async fn keep_picture(&self, digest: &Digest, png: &[u8]) -> Result<String, Trouble> {
        let (target, png) = (format!("pictures/{digest}.png"), png.to_owned());
        let file = target.clone();
        self.alone(move |folder| {
            fs::create_dir_all(folder.join("pictures"))?;
            let path = folder.join(file);
            if path.exists() {
                Ok(())
            } else {
                write(&path, &png)
            }
        })
        .await?;
        Ok(target)
    }
}

impl Local {
    async fn change(
        &self,
        at: &At,
        change: impl FnOnce(&mut File) + Send + 'static,
    ) -> Result<Card, Trouble> {
        let number = at.number;
        self.alone(move |folder| {
            let missing =
                || io::Error::new(io::ErrorKind::NotFound, format!("issue {number} is gone"));
            let path = path_of(folder, number)?.ok_or_else(missing)?;
            let mut file = read(&path)?.ok_or_else(missing)?;
            // A person who closes an issue writes one word. When that was, the file's time says for now.
            if file.state == IssueState::Closed && file.closed.is_none() {
                file.closed = Some(file.changed);
            }
            change(&mut file);
            write(&path, file.text().as_bytes())?;
            Ok(file.card(&path))
        })
        .await
    }
}

/// `0001-….md` by number.
fn numbered(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let digits = name.split('-').next().unwrap_or_default();
        if let (Ok(number), true) = (digits.parse(), name.ends_with(".md")) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

fn path_of(folder: &Path, number: u64) -> io::Result<Option<PathBuf>> {
    let found = numbered(folder)?.into_iter().find(|(it, _)| *it == number);
    Ok(found.map(|(_, path)| path))
}

/// None: not a file of ours, or none that can be read as one any more.
fn read(path: &Path) -> io::Result<Option<File>> {
    let changed = fs::metadata(path)?.modified()?;
    let changed = changed
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let text = fs::read_to_string(path)?;
    Ok(File::parse(
        &text,
        Micros(i64::try_from(changed.as_micros()).unwrap_or_default()),
    ))
}

/// Whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = fs::File::create(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

/// `drift(openai): signup-form failing as of …` is `openai-signup-form`.
fn file_name(title: &str) -> String {
    let name = title.strip_prefix("drift(").unwrap_or(title);
    let name = name.split(" failing as of ").next().unwrap_or(name);
    let plain = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' });
    let words: Vec<String> = plain
        .collect::<String>()
        .split('-')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    words.join("-").chars().take(80).collect()
}
