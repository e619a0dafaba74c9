//! Puts the server together and takes it down again. Everything that it touches is passed in or made here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use actix_web::{App, HttpServer};
use anyhow::Context as _;
use drift_schema::Micros;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Settings;
use crate::first_start;
use crate::http::{self, State};
use crate::ingest::Ingest;
use crate::keys::Keyring;
use crate::readiness::Readiness;
use crate::store::{Store, StoreError};
use crate::telemetry::{Telemetry, request};

/// How long a client may take for the head of a request.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);
const KEEP_ALIVE: Duration = Duration::from_secs(75);
const DAY: Duration = Duration::from_secs(86_400);

/// A server that listens already.
pub struct Application {
    settings: Settings,
    address: SocketAddr,
    server: actix_web::dev::Server,
    handle: ServerHandle,
    state: Data<State>,
    store: Store,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Application {
    pub fn build(settings: Settings, telemetry: Telemetry) -> anyhow::Result<Self> {
        let store = Store::open(&settings.database).context("cannot open the database")?;
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        let ingest = Ingest::start(
            store.clone(),
            settings.limits,
            telemetry.metrics.clone(),
            &tasks,
        )?;
        telemetry.metrics.watch_queue({
            let ingest = ingest.clone();
            move || ingest.depth() as u64
        });
        let state = Data::new(State {
            keyring: Arc::new(Keyring::new(store.clone(), settings.rate_per_key)),
            store: store.clone(),
            ingest,
            readiness: Arc::new(Readiness::default()),
            telemetry,
            body_deadline: settings.body_deadline,
            stop: stop.clone(),
        });
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
        let address = listener.local_addr()?;
        let server = serve(listener, &settings, &state).context("cannot start the server")?;
        let handle = server.handle();
        Ok(Self {
            settings,
            address,
            server,
            handle,
            state,
            store,
            tasks,
            stop,
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until `stopped` resolves, then finishes what is in flight and what waits to be stored. An error is one
    /// that waiting does not mend, such as a database of a newer version.
    pub async fn run_until(self, stopped: impl Future<Output = ()>) -> anyhow::Result<()> {
        let Self {
            settings,
            address,
            server,
            handle,
            state,
            store,
            tasks,
            stop,
        } = self;
        tracing::info!(%address, "listening");
        let mut serving = std::pin::pin!(server);
        let mut stopped = std::pin::pin!(stopped);

        let started = tokio::select! {
            done = make_ready(&settings, address, &store, &state) => done,
            done = &mut serving => return done.context("the server ended by itself"),
            () = &mut stopped => Ok(()),
        };
        let outcome = match started {
            Ok(()) => {
                tasks.spawn(state.keyring.clone().keep_fresh(stop.clone()));
                tasks.spawn(retain_daily(store.clone(), settings.clone(), stop.clone()));
                tokio::select! {
                    done = &mut serving => done.context("the server ended by itself"),
                    () = &mut stopped => Ok(()),
                }
            }
            Err(error) => Err(error),
        };

        tracing::info!("stopping: finishing what is in flight");
        state.readiness.stopping();
        let drained = async {
            let streams = state.stop.clone();
            // Streams end at once; requests in flight are waited for.
            streams.cancel();
            tokio::join!(handle.stop(true), async { serving.await.ok() });
            state.ingest.close();
            tasks.close();
            tasks.wait().await;
            store.close().await;
        };
        if tokio::time::timeout(settings.shutdown_deadline, drained)
            .await
            .is_err()
        {
            tracing::warn!("stopped at the deadline; what was not answered was not promised");
        }
        tracing::info!("stopped");
        outcome
    }
}

fn serve(
    listener: TcpListener,
    settings: &Settings,
    state: &Data<State>,
) -> io::Result<actix_web::dev::Server> {
    let state = state.clone();
    let app = move || {
        // One per worker: see `request::observe`.
        let metrics = Rc::new(state.telemetry.metrics.clone());
        App::new()
            .app_data(state.clone())
            .configure(http::routes)
            .wrap(from_fn(move |request, next| {
                request::observe(Rc::clone(&metrics), request, next)
            }))
    };
    let mut server = HttpServer::new(app)
        .disable_signals()
        .backlog(4096)
        .max_connections(20_000)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(HEAD_DEADLINE)
        .client_disconnect_timeout(Duration::from_secs(2))
        .shutdown_timeout(settings.shutdown_deadline.as_secs().max(1));
    if settings.workers > 0 {
        server = server.workers(settings.workers);
    }
    Ok(server.listen(listener)?.run())
}

/// Waits for the database, brings it up to date and learns the keys.
async fn make_ready(
    settings: &Settings,
    address: SocketAddr,
    store: &Store,
    state: &Data<State>,
) -> anyhow::Result<()> {
    let mut wait = Duration::from_millis(100);
    loop {
        match prepare(settings, store, state).await {
            Ok(()) => break,
            Err(error @ (StoreError::Unavailable(_) | StoreError::Contended(_))) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "waiting for the database"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
            Err(error) => return Err(error).context("cannot use the database"),
        }
    }
    first_start::introduce(settings, address, store, &state.keyring).await?;
    state.readiness.serving();
    tracing::info!("ready");
    Ok(())
}

async fn prepare(
    settings: &Settings,
    store: &Store,
    state: &Data<State>,
) -> Result<(), StoreError> {
    if settings.migrate {
        store.migrate().await?;
    } else if !store.is_migrated().await? {
        return Err(StoreError::Refused(
            "the database is not up to date: run `drift-api migrate`, or set DRIFT_MIGRATE=true"
                .to_owned(),
        ));
    }
    state.keyring.refresh().await
}

/// Applies the retention a while after the start and then daily. Several processes may do so at once: what one has
/// erased the other does not find.
async fn retain_daily(store: Store, settings: Settings, stop: CancellationToken) {
    let mut wait = Duration::from_secs(60);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = DAY;
        match store.retain(&settings.retention, Micros::now()).await {
            Ok(done) => {
                for (workspace, erased) in done
                    .iter()
                    .filter(|(_, erased)| erased.reports + erased.batches > 0)
                {
                    tracing::info!(%workspace, reports = erased.reports, batches = erased.batches, "forgot what was to be forgotten");
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "retention failed; trying again in an hour"
                );
                wait = Duration::from_secs(3_600);
            }
        }
    }
}
