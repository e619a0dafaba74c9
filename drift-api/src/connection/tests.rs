use futures_util::FutureExt as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};

use super::*;

const DEADLINE: Duration = Duration::from_millis(50);

/// The client's end, and ours with room for 64 bytes each way.
fn pair() -> (DuplexStream, Connection<DuplexStream>) {
    let (client, server) = duplex(64);
    (client, seated(server, &Seats::default()))
}

fn seated(server: DuplexStream, seats: &Seats) -> Connection<DuplexStream> {
    let seat = seats.take().now_or_never().unwrap();
    let socket = Rc::new(RefCell::new(server));
    Connection::new(socket, DEADLINE, seats.clone(), seat)
}

/// The same where everybody is to stand up who can.
fn crowded_pair() -> (DuplexStream, Connection<DuplexStream>, Seats) {
    let (client, server) = duplex(1024);
    let seats = Seats::new(1, 0, DEADLINE);
    let connection = seated(server, &seats);
    (client, connection, seats)
}

/// How many bytes actix would get if it read now; none if it had to wait.
async fn read_now(connection: &mut Connection<DuplexStream>) -> Option<usize> {
    let mut bytes = [0; 1024];
    tokio::select! {
        biased;
        read = connection.read(&mut bytes) => Some(read.unwrap()),
        () = std::future::ready(()) => None,
    }
}

#[tokio::test]
async fn nothing_is_read_while_an_answer_is_not_taken() {
    let (mut client, mut connection) = pair();
    client.write_all(b"one more").await.unwrap();
    let answer = tokio::time::timeout(DEADLINE, connection.write_all(&[0; 65])).await;
    assert!(answer.is_err(), "there is room for 64 bytes only");
    assert_eq!(read_now(&mut connection).await, None);
    client.read_exact(&mut [0; 64]).await.unwrap();
    connection.write_all(&[0]).await.unwrap();
    assert_eq!(read_now(&mut connection).await, Some(8));
}

#[tokio::test]
async fn an_answer_that_is_never_taken_is_given_up() {
    let (_client, mut connection) = pair();
    let error = connection.write_all(&[0; 65]).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn the_next_request_waits_while_one_without_a_body_is_in_service() {
    let (mut client, mut connection) = pair();
    client.write_all(b"one more").await.unwrap();
    let in_service = connection.gate().enter(Body::None);
    assert_eq!(read_now(&mut connection).await, None);
    let next = async {
        tokio::time::sleep(DEADLINE / 2).await;
        drop(in_service);
    };
    let mut bytes = [0; 64];
    let (read, ()) = tokio::join!(connection.read(&mut bytes), next);
    assert_eq!(read.unwrap(), 8);
}

#[tokio::test]
async fn a_head_that_does_not_end_is_the_end() {
    let (mut client, mut connection) = pair();
    client.write_all(b"GET /").await.unwrap();
    let began = Instant::now();
    assert_eq!(connection.read(&mut [0; 64]).await.unwrap(), 5);
    assert_eq!(connection.read(&mut [0; 64]).await.unwrap(), 0);
    assert!(began.elapsed() >= DEADLINE);
}

#[tokio::test]
async fn a_connection_may_rest_between_two_requests_and_a_body_has_another_deadline() {
    let (mut client, mut connection) = pair();
    client.write_all(b"GET / HTTP/1.1").await.unwrap();
    assert_eq!(read_now(&mut connection).await, Some(14));
    let in_service = connection.gate().enter(Body::Length(100));
    let long = DEADLINE * 3;
    let read = tokio::time::timeout(long, connection.read_u8()).await;
    assert!(read.is_err(), "a body may take longer");
    drop(in_service);
    let read = tokio::time::timeout(long, connection.read_u8()).await;
    assert!(read.is_err(), "nothing is asked, so nothing is late");
    client.write_all(b"x").await.unwrap();
    assert_eq!(connection.read_u8().await.unwrap(), b'x');
}

#[tokio::test]
async fn actix_gets_small_portions_outside_of_bodies() {
    let (mut client, server) = duplex(1 << 20);
    let mut connection = seated(server, &Seats::default());
    client.write_all(&vec![0; 3 * SIP]).await.unwrap();
    let mut bytes = vec![0; 4 * SIP];
    let mut buffer = ReadBuf::new(&mut bytes);
    // As actix does: on and on until there is nothing for now.
    std::future::poll_fn(|context| {
        loop {
            let room = buffer.remaining().min(1024);
            let mut part = buffer.take(room);
            let read = Pin::new(&mut connection).poll_read(context, &mut part);
            let filled = part.filled().len();
            buffer.advance(filled);
            if read.is_pending() {
                return Poll::Ready(());
            }
        }
    })
    .await;
    assert_eq!(buffer.filled().len(), SIP);
}

const GET: &[u8] = b"GET / HTTP/1.1\r\n\r\n";

#[tokio::test]
async fn where_it_is_crowded_a_connection_stands_up_after_its_answer() {
    let (mut client, mut connection, seats) = crowded_pair();
    assert_eq!(read_now(&mut connection).await, None, "not before");
    client.write_all(GET).await.unwrap();
    assert_eq!(read_now(&mut connection).await, Some(GET.len()));
    let in_service = connection.gate().enter(Body::None);
    assert_eq!(read_now(&mut connection).await, None, "not meanwhile");
    drop(in_service);
    assert_eq!(read_now(&mut connection).await, Some(0), "to actix it left");
    assert!(connection.stood_up().get());

    connection.shutdown().await.unwrap();
    let socket = connection.socket.clone();
    drop(connection);
    assert!(!seats.are_crowded());
    let mut socket = Rc::into_inner(socket).unwrap().into_inner();
    socket.write_all(b"still open").await.unwrap();
    assert_eq!(client.read(&mut [0; 64]).await.unwrap(), 10);
}

#[tokio::test]
async fn who_waits_for_the_answer_to_a_body_is_woken_to_stand_up() {
    let (mut client, mut connection, _) = crowded_pair();
    client
        .write_all(b"POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab")
        .await
        .unwrap();
    assert!(read_now(&mut connection).await.is_some());
    let in_service = connection.gate().enter(Body::Length(2));
    let answer = async { drop(in_service) };
    let mut bytes = [0; 64];
    let (read, ()) = tokio::join!(connection.read(&mut bytes), answer);
    assert_eq!(read.unwrap(), 0);
    assert!(connection.stood_up().get());
}

#[tokio::test]
async fn with_a_part_of_the_next_request_in_hand_it_stays_but_not_on_the_seat() {
    let (mut client, mut connection, seats) = crowded_pair();
    client.write_all(&[GET, b"GET /ne"].concat()).await.unwrap();
    assert!(read_now(&mut connection).await.is_some());
    drop(connection.gate().enter(Body::None));
    assert!(seats.are_crowded());
    assert_eq!(read_now(&mut connection).await, None);
    assert!(!connection.stood_up().get());
    assert!(!seats.are_crowded());
    // Nor later: from here on it is not clear which bytes are whose.
    client.write_all(b"xt HTTP/1.1\r\n\r\n").await.unwrap();
    assert!(read_now(&mut connection).await.is_some());
    let _another = seats.take().await;
    drop(connection.gate().enter(Body::None));
    assert_eq!(read_now(&mut connection).await, None);
}

#[tokio::test]
async fn a_stream_goes_on_without_a_seat() {
    let (mut client, mut connection, seats) = crowded_pair();
    client.write_all(GET).await.unwrap();
    assert!(read_now(&mut connection).await.is_some());
    connection.gate().enter(Body::None).answers_with_a_stream();
    assert_eq!(read_now(&mut connection).await, None);
    assert!(!seats.are_crowded());
}

#[tokio::test]
async fn where_there_is_room_a_connection_keeps_its_seat() {
    let (mut client, mut connection) = pair();
    for _ in 0..3 {
        client.write_all(GET).await.unwrap();
        assert!(read_now(&mut connection).await.is_some());
        drop(connection.gate().enter(Body::None));
        assert_eq!(read_now(&mut connection).await, None);
    }
    assert!(
        connection.rests(),
        "so that it can stand up when others come"
    );
}

#[tokio::test]
async fn nobody_waits_long_for_a_seat() {
    let seats = Seats::new(1, 0, DEADLINE);
    let first = seats.take().await;
    let (second, ()) = tokio::join!(seats.take(), async { drop(first) });
    assert!(second.is_some());
    assert!(seats.take().await.is_none(), "in without one");
}
