//! Puts the server together and takes it down again. Everything that it touches is passed in or made here.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use actix_http::HttpService;
use actix_service::{
    IntoServiceFactory as _, ServiceFactory as _, ServiceFactoryExt as _, fn_factory, map_config,
};
use actix_web::App;
use actix_web::dev::{AppConfig, ServerHandle};
use actix_web::middleware::from_fn;
use actix_web::web::Data;
use anyhow::Context as _;
use drift_schema::Micros;
use tokio::net::TcpStream;
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::artifacts::Artifacts;
use crate::config::Settings;
use crate::connection::{Connection, Entrance, KEEP_ALIVE};
use crate::contacts::Contacts;
use crate::first_start;
use crate::http::sign_in::SignIn;
use crate::http::{self, State};
use crate::ingest::Ingest;
use crate::keys::Keyring;
use crate::pages::Feeds;
use crate::readiness::Readiness;
use crate::retention;
use crate::store::{Retention, Store, StoreError};
use crate::telemetry::{Telemetry, causes, request};

const FACTS_EVERY: Duration = Duration::from_secs(30);
const FACTS_AT_ONCE: i64 = 20_000;
const BATCHES_AT_ONCE: i64 = 20_000;
const DAY: Duration = Duration::from_secs(86_400);
/// Whoever waits for the server to start has the machine first.
const FIRST_RETENTION: Duration = Duration::from_secs(5);

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
        // Before anything is made on the disk, by what may be a second server in the wrong folder.
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| format!("cannot listen on {}", settings.listen))?;
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
        let address = listener.local_addr()?;
        let artifacts = Artifacts::open(&settings.artifacts.place)
            .context("cannot open DRIFT_ARTIFACTS_URL")?;
        let state = Data::new(State {
            artifacts,
            artifact_quota: settings.artifacts.quota,
            signing_key: settings.artifacts.signing_key.clone(),
            signer: OnceCell::new(),
            webhook_secret: settings.webhook_secret.clone(),
            sign_in: SignIn::new(
                settings.sign_in.clone(),
                settings.credentials_file().is_some(),
            )?,
            public_url: settings.public_url_at(address)?,
            contacts: Contacts::default(),
            feeds: Feeds::default(),
            tasks: tasks.clone(),
            keyring: Arc::new(Keyring::new(
                store.clone(),
                settings.rate_per_key,
                settings.limits.deadline,
            )),
            store: store.clone(),
            ingest,
            readiness: Arc::new(Readiness::default()),
            telemetry,
            body_deadline: settings.body_deadline,
            store_deadline: settings.limits.deadline,
            stop: stop.clone(),
        });
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
                tasks.spawn(retain_daily(
                    store.clone(),
                    state.clone(),
                    settings.retention,
                    stop.clone(),
                ));
                tasks.spawn(count_facts_now_and_then(store.clone(), stop.clone()));
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
    let (head_deadline, workers) = (settings.body_deadline, settings.workers);
    let app = move || {
        // One per worker: see `request::observe`.
        let metrics = Rc::new(state.telemetry.metrics.clone());
        App::new()
            .app_data(state.clone())
            .configure(http::routes)
            .wrap(from_fn(http::front))
            .wrap(from_fn(move |request, next| {
                request::observe(Rc::clone(&metrics), request, next)
            }))
    };
    let mut server = actix_server::Server::build()
        .disable_signals()
        .backlog(4096)
        .max_concurrent_connections(20_000)
        .shutdown_timeout(settings.shutdown_deadline.as_secs().max(1));
    if workers > 0 {
        server = server.workers(workers);
    }
    let draining = server.graceful_shutdown_signal();
    // What `HttpServer` does, with our own connection in the place of the bare socket.
    let server = server.listen("http", listener, move || {
        let app = app().into_factory().map_err(|error| error.error_response());
        let (draining, drains) = (draining.clone(), draining.clone());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let drains = drains.clone();
                async move { drains.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(head_deadline)
            .client_disconnect_timeout(Duration::from_secs(2))
            .on_connect_ext(|connection: &Connection<TcpStream>, data| {
                data.insert(connection.gate());
            })
            .h1(map_config(app, |()| AppConfig::default()));
        let http = Rc::new(http);
        fn_factory(move || {
            let (http, draining) = (Rc::clone(&http), draining.clone());
            async move {
                let http = http.new_service(()).await?;
                Ok::<_, ()>(Entrance::new(http, head_deadline, draining))
            }
        })
    })?;
    Ok(server.run())
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
        match prepare(settings, address, store, state).await {
            Ok(()) => break,
            Err(error @ (StoreError::Unavailable(_) | StoreError::Contended(_))) => {
                tracing::warn!(
                    error = %causes(&error),
                    "waiting for the database"
                );
                tokio::time::sleep(wait).await;
                wait = (wait * 2).min(Duration::from_secs(2));
            }
            Err(error) => return Err(error).context("cannot use the database"),
        }
    }
    state.readiness.serving();
    tracing::info!("ready");
    Ok(())
}

async fn prepare(
    settings: &Settings,
    address: SocketAddr,
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
    first_start::introduce(settings, address, store).await?;
    state.keyring.refresh().await
}

/// Keeps what was reported counted, at a pace that ingest does not notice: of the time in which it is behind, it rests four
/// fifths. Several processes may do so at once.
async fn count_facts_now_and_then(store: Store, stop: CancellationToken) {
    let mut wait = FACTS_EVERY;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        let begun = tokio::time::Instant::now();
        wait = match count(&store).await {
            Ok(true) => FACTS_EVERY,
            Ok(false) => FACTS_EVERY.min(begun.elapsed() * 4),
            Err(error) => {
                tracing::debug!(error = %causes(&error), "could not count what was reported");
                FACTS_EVERY
            }
        };
    }
}

/// Whether there is nothing left to count.
async fn count(store: &Store) -> Result<bool, StoreError> {
    let all_facts = store.count_all_facts(FACTS_AT_ONCE).await?;
    let all_days = store.close_days(BATCHES_AT_ONCE, Micros::now()).await?;
    Ok(all_facts && all_days)
}

/// Applies the retention a moment after the start and then daily. Several processes may do so at once: what one has
/// erased the other does not find.
async fn retain_daily(store: Store, state: Data<State>, rules: Retention, stop: CancellationToken) {
    let mut wait = FIRST_RETENTION;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
        wait = DAY;
        match retention::apply(&store, &state.artifacts, &rules, Micros::now()).await {
            Ok(done) => {
                for (workspace, erased) in done
                    .iter()
                    .filter(|(_, erased)| erased.reports + erased.batches + erased.artifacts > 0)
                {
                    tracing::info!(%workspace, reports = erased.reports, batches = erased.batches, artifacts = erased.artifacts, "forgot what was to be forgotten");
                }
            }
            Err(error) => {
                tracing::warn!(
                    error = %causes(&error),
                    "retention failed; trying again in an hour"
                );
                wait = Duration::from_secs(3_600);
            }
        }
    }
}
