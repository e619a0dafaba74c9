//! A provider to sign up at, for tests and for the demo: `provider-site --service openai`. Its address is printed on
//! standard output. Switches say what is wrong with it; `PUT /__switches` changes them at run time.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::ExitCode;

use harness::site::{self, LAYOUTS, OPENAI, Switch};

const USAGE: &str = "usage: provider-site [--service openai|openrouter] [--listen HOST:PORT] [--maildir FOLDER] [--switch NAME]…

  --service   which provider it looks like; openai
  --listen    127.0.0.1:0, which takes a free port
  --maildir   where mails with codes are delivered; without one, GET /__state shows the codes
  --switch    something is wrong; may stand several times. At run time: PUT /__switches with [\"name\", …]

Switches:
";

#[expect(clippy::expect_used, reason = "a test fails by panicking")]
#[actix_web::main]
async fn main() -> ExitCode {
    let mut layout = OPENAI;
    let mut listen = "127.0.0.1:0".to_owned();
    let mut maildir = None;
    let mut switches = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let Some(value) = arguments.next().filter(|_| name != "--help") else {
            return usage("");
        };
        match name.as_str() {
            "--service" => match LAYOUTS.iter().find(|layout| layout.service == value) {
                Some(found) => layout = *found,
                None => return usage(&format!("no service {value}")),
            },
            "--listen" => listen = value,
            "--maildir" => maildir = Some(PathBuf::from(value)),
            "--switch" => match value.parse::<Switch>() {
                Ok(switch) => switches.push(switch),
                Err(error) => return usage(&error),
            },
            _ => return usage(&format!("no option {name}")),
        }
    }
    let socket = match TcpListener::bind(&listen) {
        Ok(socket) => socket,
        Err(error) => return usage(&format!("cannot listen on {listen}: {error}")),
    };
    let address = socket.local_addr().expect("a bound socket has an address");
    let server = site::serve(layout, switches, maildir, socket).expect("the site starts");
    #[expect(clippy::print_stdout, reason = "whoever started it reads this")]
    {
        println!("http://{address}");
    }
    // Ends with whoever started it, however that ends.
    let handle = server.handle();
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        drop(handle.stop(false));
        std::process::exit(0);
    });
    match server.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("{wrong}\n{USAGE}");
    for switch in Switch::ALL {
        eprintln!("  {:15} {}", switch.name(), switch.about());
    }
    ExitCode::from(2)
}
