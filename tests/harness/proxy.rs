//! A wire to a server that can be frozen: nothing is refused and nothing arrives, as when a cable is pulled.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use reqwest::Url;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Proxy {
    pub address: SocketAddr,
    frozen: watch::Sender<bool>,
    asked: Arc<AtomicU64>,
    /// Ends with this value.
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Between a server and its Postgres: the proxy, and the URL that goes through it.
    pub async fn to_database(url: &str) -> (Self, String) {
        let mut url = Url::parse(url).expect("a Postgres URL");
        let host = url.host_str().expect("a host");
        let proxy = Self::to(format!("{host}:{}", url.port().unwrap_or(5432))).await;
        url.set_host(Some("127.0.0.1")).expect("a host");
        url.set_port(Some(proxy.address.port())).expect("a port");
        (proxy, url.into())
    }

    /// Listens on a free port of the loopback.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let frozen = watch::Sender::new(false);
        let mut tasks = JoinSet::new();
        let asked = Arc::<AtomicU64>::default();
        tasks.spawn(serve(listener, target, frozen.subscribe(), asked.clone()));
        Self {
            address,
            frozen,
            asked,
            _tasks: tasks,
        }
    }

    pub fn freeze(&self) {
        self.frozen.send_replace(true);
    }

    /// How often somebody had something to say to the server.
    pub fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// What was on its way arrives.
    pub fn thaw(&self) {
        self.frozen.send_replace(false);
    }
}

async fn serve(
    listener: TcpListener,
    target: String,
    frozen: watch::Receiver<bool>,
    asked: Arc<AtomicU64>,
) {
    let mut wires = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let Ok(server) = TcpStream::connect(&target).await else {
            continue;
        };
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        wires.spawn(carry(from_client, to_server, frozen.clone(), asked.clone()));
        wires.spawn(carry(
            from_server,
            to_client,
            frozen.clone(),
            Arc::default(),
        ));
    }
}

async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut frozen: watch::Receiver<bool>,
    count: Arc<AtomicU64>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(number) = from.read(&mut bytes).await
        && number > 0
        && frozen.wait_for(|frozen| !frozen).await.is_ok()
        && to.write_all(&bytes[..number]).await.is_ok()
    {
        count.fetch_add(1, Ordering::Relaxed);
    }
}
