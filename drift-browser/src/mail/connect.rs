//! The way to a mailbox: TCP, TLS with the system's authorities, login.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use secrecy::ExposeSecret as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Error, Mailbox};

pub(super) type Session = async_imap::Session<TlsStream<TcpStream>>;

/// IMAP over TLS from the first byte.
const PORT: u16 = 993;
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

pub(super) async fn open(mailbox: &Mailbox) -> Result<Session, Error> {
    let (host, port) = place(mailbox)?;
    let server = format!("{host}:{port}");
    let unreachable = |reason: String| Error::Unreachable {
        server: server.clone(),
        reason,
    };
    let connecting = async {
        let socket = TcpStream::connect((host.as_str(), port))
            .await
            .map_err(|error| unreachable(error.to_string()))?;
        let name = ServerName::try_from(host.clone())
            .map_err(|_| unreachable("its name is no host name".to_owned()))?;
        let connector = TlsConnector::from(Arc::new(trust(mailbox.ca_file.as_deref())?));
        let stream = connector.connect(name, socket).await;
        let stream = stream.map_err(|error| unreachable(format!("TLS: {error}")))?;
        let mut client = async_imap::Client::new(stream);
        match client.read_response().await {
            Ok(Some(_greeting)) => Ok(client),
            Ok(None) => Err(unreachable("it ended the connection".to_owned())),
            Err(error) => Err(unreachable(error.to_string())),
        }
    };
    let client = match timeout(CONNECT_DEADLINE, connecting).await {
        Ok(client) => client?,
        Err(_) => {
            return Err(unreachable(format!(
                "no answer within {CONNECT_DEADLINE:?}"
            )));
        }
    };
    let login = client
        .login(
            plain_address(&mailbox.address),
            mailbox.password.expose_secret(),
        )
        .await;
    // What it says may repeat what we sent.
    login.map_err(|_| Error::Refused { server })
}

fn place(mailbox: &Mailbox) -> Result<(String, u16), Error> {
    let wrong = |what: &str| Error::Settings(format!("mailbox: {what}"));
    match &mailbox.server {
        Some(server) => match server.rsplit_once(':') {
            Some((host, port)) => {
                let port = port
                    .parse()
                    .map_err(|_| wrong("the server's port is no number"))?;
                Ok((host.to_owned(), port))
            }
            None => Ok((server.clone(), PORT)),
        },
        None => match mailbox.address.rsplit_once('@') {
            Some((_, domain)) => Ok((format!("imap.{domain}"), PORT)),
            None => Err(wrong("the address has no domain; name its server")),
        },
    }
}

/// `alice+tag@example.com` is delivered to, and logged in as, `alice@example.com`.
fn plain_address(address: &str) -> String {
    match address.rsplit_once('@') {
        Some((user, domain)) => {
            let user = user.split('+').next().unwrap_or(user);
            format!("{user}@{domain}")
        }
        None => address.to_owned(),
    }
}

fn trust(ca_file: Option<&str>) -> Result<ClientConfig, Error> {
    let mut roots = RootCertStore::empty();
    // A damaged certificate among the system's is not our business.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if let Some(file) = ca_file {
        let wrong = |error: &dyn std::fmt::Display| {
            Error::Settings(format!("mailbox.ca-file {file}: {error}"))
        };
        let certificates = CertificateDer::pem_file_iter(Path::new(file));
        for certificate in certificates.map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Error::Settings(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(address: &str, server: Option<&str>) -> Mailbox {
        Mailbox {
            address: address.to_owned(),
            password: "x".into(),
            server: server.map(str::to_owned),
            ca_file: None,
        }
    }

    #[test]
    fn the_server_is_the_domains_unless_named() {
        let found = |address, server| place(&mailbox(address, server)).ok();
        assert_eq!(
            found("a@b.example", None),
            Some(("imap.b.example".to_owned(), 993))
        );
        assert_eq!(
            found("a@b.example", Some("m.example")),
            Some(("m.example".to_owned(), 993))
        );
        assert_eq!(
            found("a", Some("localhost:10993")),
            Some(("localhost".to_owned(), 10993))
        );
        assert_eq!(found("a", None), None);
        assert_eq!(found("a", Some("m:x")), None);
    }

    #[test]
    fn a_tag_is_no_part_of_the_login() {
        assert_eq!(plain_address("alice+d1@a.example"), "alice@a.example");
    }
}
