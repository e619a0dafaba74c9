//! The database under the stories is itself worth three.

use std::io::{BufRead as _, BufReader};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use harness::postgres::{Cluster, fresh_database};
use sqlx::{Connection as _, Executor as _, PgConnection};

#[tokio::test]
async fn two_stories_never_share_a_database() {
    let (mine, yours) = (fresh_database().await, fresh_database().await);
    assert_ne!(mine, yours);
    for url in [mine, yours] {
        let mut connection = PgConnection::connect(&url).await.unwrap();
        connection
            .execute("CREATE TABLE report (id int)")
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn a_server_comes_back_with_its_data_after_a_stop_and_after_a_crash() {
    let mut cluster = Cluster::start();
    let url = cluster.fresh_database().await;
    let mut connection = PgConnection::connect(&url).await.unwrap();
    connection
        .execute("CREATE TABLE visits (n int)")
        .await
        .unwrap();

    for (round, go_down) in [Cluster::stop, Cluster::crash].into_iter().enumerate() {
        let statement = "INSERT INTO visits VALUES (1)";
        PgConnection::connect(&url)
            .await
            .unwrap()
            .execute(statement)
            .await
            .unwrap();
        go_down(&mut cluster);
        PgConnection::connect(&url).await.unwrap_err();
        connection.ping().await.unwrap_err();

        cluster.start_again();
        connection = PgConnection::connect(&url).await.unwrap();
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM visits")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(count, round as i64 + 1);
    }
}

#[test]
fn the_server_is_gone_when_its_user_was_killed() {
    // `sleep` holds the only write end of the supervisor's standard input.
    let mut user = Command::new("sleep")
        .arg("600")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut supervisor = Command::new(env!("CARGO_BIN_EXE_throwaway-postgres"))
        .stdin(user.stdout.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut url = String::new();
    BufReader::new(supervisor.stdout.take().unwrap())
        .read_line(&mut url)
        .unwrap();
    let address = url.trim_start_matches("postgres://postgres@").trim_end();
    let address = address.trim_end_matches("/postgres");
    TcpStream::connect(address).unwrap();

    user.kill().unwrap();

    let asked = Instant::now();
    assert!(supervisor.wait().unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(20));
    TcpStream::connect(address).unwrap_err();
    user.wait().unwrap();
}
