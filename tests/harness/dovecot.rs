//! A real IMAP server: Dovecot from Debian, on a free port, with a certificate of its own. One for all tests, ended with
//! them. Every address is a mailbox, and they all have the same password.

use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::eventually;

/// The static password database takes no spaces.
pub const PASSWORD: &str = "correct-horse-battery";

pub struct Dovecot {
    pub port: u16,
    folder: TempDir,
    _server: Child,
}

impl Dovecot {
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("dovecot-")
            .tempdir()
            .expect("a folder");
        let root = folder.path();
        certificate(root).await;
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let port = socket.local_addr().expect("bound").port();
        drop(socket);
        let metadata = std::fs::metadata(root).expect("a folder");
        let is_root = metadata.uid() == 0;
        // Mail belongs to nobody in particular where we are root, who may have no mail here.
        let (user, group) = if is_root {
            (65534, 65534)
        } else {
            (metadata.uid(), metadata.gid())
        };
        let names = if is_root {
            (
                "dovecot".to_owned(),
                "dovenull".to_owned(),
                "dovecot".to_owned(),
            )
        } else {
            let (name, group) = (whoami("-un").await, whoami("-gn").await);
            (name.clone(), name, group)
        };
        std::fs::create_dir(root.join("mail")).expect("made");
        chown(root.join("mail"), Some(user), Some(group)).expect("ours");
        std::fs::set_permissions(root, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .expect("ours");
        let config = format!(
            "base_dir = {root}/run\nstate_dir = {root}/state\nlog_path = {root}/log\nprotocols = imap\nlisten = 127.0.0.1\n\
             ssl = required\nssl_cert = <{root}/cert.pem\nssl_key = <{root}/key.pem\n\
             mail_location = maildir:{root}/mail/%n\nauth_username_format = %Ln\nfirst_valid_uid = 1\n\
             default_internal_user = {}\ndefault_login_user = {}\ndefault_internal_group = {}\n\
             passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n\
             userdb {{\n  driver = static\n  args = uid={user} gid={group} home={root}/mail/%n\n}}\n\
             service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = 0\n  }}\n  inet_listener imaps {{\n    port = {port}\n    ssl = yes\n  }}\n}}\n\
             service anvil {{\n  chroot =\n}}\nservice stats {{\n  chroot =\n}}\n",
            names.0,
            names.1,
            names.2,
            root = root.display(),
        );
        std::fs::write(root.join("dovecot.conf"), config).expect("written");
        let server = Command::new("/usr/sbin/dovecot")
            .args(["-F", "-c"])
            .arg(root.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("dovecot runs; on Debian: apt-get install dovecot-imapd (ops/test does)");
        let log = root.join("log");
        eventually("dovecot answers", async || {
            let connected = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
            let log = std::fs::read_to_string(&log).unwrap_or_default();
            assert!(!log.contains("Fatal:"), "{log}");
            connected.ok()
        })
        .await;
        Self {
            port,
            folder,
            _server: server,
        }
    }

    /// As a flow names it; the certificate is for this name.
    pub fn server(&self) -> String {
        format!("localhost:{}", self.port)
    }

    pub fn ca_file(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    /// The folder into which mails for a user are delivered.
    pub fn maildir(&self, user: &str) -> PathBuf {
        let maildir = self.folder.path().join("mail").join(user);
        let owner = std::fs::metadata(self.folder.path().join("mail")).expect("a folder");
        for folder in [
            maildir.clone(),
            maildir.join("new"),
            maildir.join("cur"),
            maildir.join("tmp"),
        ] {
            std::fs::create_dir_all(&folder).expect("made");
            chown(&folder, Some(owner.uid()), Some(owner.gid())).expect("ours");
        }
        maildir
    }

    /// One mail, as a mail server would deliver it.
    pub fn deliver(&self, user: &str, mail: &str) {
        let maildir = self.maildir(user);
        let id = uuid::Uuid::new_v4().to_string();
        let text = mail.replace("\r\n", "\n").replace('\n', "\r\n");
        std::fs::write(maildir.join("tmp").join(&id), text).expect("written");
        std::fs::rename(maildir.join("tmp").join(&id), maildir.join("new").join(&id))
            .expect("delivered");
    }
}

async fn whoami(what: &str) -> String {
    let output = Command::new("id")
        .arg(what)
        .output()
        .await
        .expect("id runs");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn certificate(folder: &Path) {
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
            "-nodes",
            "-days",
            "2",
        ])
        .args([
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
        ])
        .args([
            "-addext",
            "basicConstraints=critical,CA:FALSE",
            "-keyout",
            "key.pem",
            "-out",
            "cert.pem",
        ])
        .current_dir(folder)
        .output()
        .await
        .expect("openssl runs");
    let errors = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success(), "{errors}");
}
